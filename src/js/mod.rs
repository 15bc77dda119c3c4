//! What JavaScript sees: values of JavaScript to types of the core and back, errors to errors. No
//! rule of the queue is here.
//!
//! `pkg/` wraps the classes that are exported here. Whatever may run the code of a caller
//! or of a host (getters, proxies, dictionaries) is called by `pkg/seam/`, which catches what that
//! throws: an exception that passed through wasm would skip its destructors.

mod arguments;
mod call;
mod core;
mod envelope;
mod host;
mod seam;

#[cfg(not(feature = "std"))]
mod runtime;
