//! What JavaScript sees of the core. No rule of the queue is here.
//!
//! `pkg/` reads the arguments of callers and makes their results; here its numbers become types of
//! the core. Whatever may run the code of a caller or of a host (getters, proxies, dictionaries) is
//! called by `pkg/seam/`, which catches what that throws: an exception that passed through wasm
//! would skip its destructors. Strings, envelopes and records stay in JavaScript, in the slot that
//! each call has there: only ids, numbers and texts to check cross.
//!
//! The queue is a module of its own, so that whoever only stores does not load it. It calls nothing.

#[cfg(not(feature = "queue-js"))]
mod call;
#[cfg(not(feature = "queue-js"))]
mod core;
mod frame;
#[cfg(not(feature = "queue-js"))]
mod host;
#[cfg(feature = "queue-js")]
mod queue;
#[cfg(not(feature = "queue-js"))]
mod seam;
#[cfg(not(feature = "queue-js"))]
mod tasks;
#[cfg(not(feature = "queue-js"))]
mod text;

#[cfg(not(feature = "std"))]
mod runtime;
