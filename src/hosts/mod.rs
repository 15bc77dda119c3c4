//! Hosts for Rust programs.

mod memory;
#[cfg(all(feature = "redb", not(target_arch = "wasm32")))]
mod record;
#[cfg(all(feature = "redb", not(target_arch = "wasm32")))]
mod redb;

pub use memory::MemoryHost;
#[cfg(all(feature = "redb", not(target_arch = "wasm32")))]
pub use redb::{RedbError, RedbHost};
