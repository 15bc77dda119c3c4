//! What JavaScript sees of the core. No rule of storage or queue is here.
//!
//! `pkg/binding` copies what callers and hosts hand over, since reading it may run their code, and
//! an exception that passed through wasm would skip its destructors. Here the inert copies become
//! types of the core, and its results values of JavaScript. No export throws: an error is returned
//! as a [`error::Failed`], so that whatever is thrown is a critical error.

mod envelope;
mod error;
mod event;
mod fields;
mod host;
mod message;
mod meta;
mod packed_fields;
mod policies;
mod queue;
mod relay;
mod storage;
mod timer;

#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
