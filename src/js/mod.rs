//! What `pkg/queue` stands on.

mod frame;
mod queue;

#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
