//! Hosts for Rust programs.

mod memory;
#[cfg(all(any(feature = "redb", feature = "redis"), not(target_family = "wasm")))]
mod record;
#[cfg(all(feature = "redb", not(target_family = "wasm")))]
mod redb;
#[cfg(all(feature = "redis", not(target_family = "wasm")))]
mod redis;

pub use memory::MemoryHost;
#[cfg(all(feature = "redb", not(target_family = "wasm")))]
pub use redb::{RedbError, RedbHost};
#[cfg(all(feature = "redis", not(target_family = "wasm")))]
pub use redis::{Durability, RedisCursor, RedisError, RedisHost};
