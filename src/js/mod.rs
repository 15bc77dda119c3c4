//! What JavaScript sees of the core. No rule of the queue is here.
//!
//! `pkg/` reads the arguments of callers and makes their results; here its numbers become types of
//! the core. Whatever may run the code of a caller or of a host (getters, proxies, dictionaries) is
//! called by `pkg/seam/`, which catches what that throws: an exception that passed through wasm
//! would skip its destructors. Strings, envelopes and records stay in JavaScript, in the slot that
//! each call has there: only ids, numbers and texts to check cross.

mod call;
mod core;
mod frame;
mod host;
mod queue;
mod seam;
mod tasks;
mod text;

#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
