//! Every test of the crate as a native program, in one program: it is linked once.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)]

mod support;

mod check;
mod concurrency;
#[cfg(feature = "conformance")]
mod conformance;
mod crash;
#[cfg(feature = "redb")]
mod documents;
mod faults;
mod load;
mod message;
mod model;
mod policies;
mod queue;
mod queue_callbacks;
mod queue_claims;
mod queue_destination;
mod queue_expires;
mod queue_fencing;
#[cfg(feature = "redb")]
mod queue_full;
mod queue_listing;
mod queue_options;
mod queue_retry;
mod queue_run;
mod queue_start;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_node;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "lettre")]
mod smtp_relay;
mod spawn;
mod storage;
#[cfg(feature = "tracing")]
mod trace;
mod wait;
