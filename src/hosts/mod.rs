//! Hosts for Rust programs.

mod memory;
#[cfg(all(any(feature = "redb", feature = "redis"), not(target_arch = "wasm32")))]
mod record;
#[cfg(all(feature = "redb", not(target_arch = "wasm32")))]
mod redb;
#[cfg(all(feature = "redis", not(target_arch = "wasm32")))]
mod redis;

pub use memory::MemoryHost;
#[cfg(all(feature = "redb", not(target_arch = "wasm32")))]
pub use redb::{RedbError, RedbHost};
#[cfg(all(feature = "redis", not(target_arch = "wasm32")))]
pub use redis::{Durability, RedisCursor, RedisError, RedisHost};
