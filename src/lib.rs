//! A mail queue on two dictionaries: python-slimta's
//! [`slimta.queue.dict.DictStorage`](https://slimta.org/en/latest/api/slimta.queue.dict.html) for
//! Rust programs, and, compiled to WebAssembly, for browsers, edge workers and Node.
//!
//! Every message is an [`Envelope`] in one dictionary and a small [`Meta`] record in another, under
//! one [`Id`]. A [`Host`] keeps the dictionaries; [`DictStorage`] has the rules: nothing
//! acknowledged is lost, nothing delivered is forgotten, no crash leaves a message half there, and
//! no two writers overwrite each other.
//!
//! ```
//! use slimta_queue_dict::{DictStorage, Envelope, MemoryHost, Timestamp};
//! use std::time::SystemTime;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let storage = DictStorage::new(MemoryHost::new());
//! let envelope = Envelope {
//!     sender: Some("me@example.com".into()),
//!     recipients: vec!["you@example.com".into()],
//!     ..Envelope::parse(
//!         b"From: me@example.com\r\nTo: you@example.com\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
//!           Subject: Hello\r\n\r\nHow are you?\r\n",
//!     )
//! };
//! let id = storage.write(envelope, SystemTime::now(), None).await?;
//!
//! let mut load = storage.load();
//! while let Some((timestamp, id)) = load.next().await? {
//!     println!("{id} is due at {}", Timestamp::from(timestamp));
//!     storage.increment_attempts(&id).await?;
//! }
//! storage.remove(&id).await?;
//! assert_eq!(storage.get_info().await?.meta_size, 0);
//! # Ok::<(), slimta_queue_dict::Error<std::convert::Infallible>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`queue::Queue`] sends what a storage keeps: it attempts what is due by a [`queue::Relay`], tries again, gives up, and
//! tells the sender.
//!
//! To keep messages elsewhere, implement [`Host`]; its module, [`host`], says what it promises.
//!
//! Import names one by one: [`Result`] is that of a storage, with its host as the second parameter.
//!
//! # Features
//!
//! All are for native programs, and none is there unless a program asks for it:
//!
//! - `redb`: `RedbHost`, which keeps messages in one file.
//! - `redis`: `RedisHost`, which keeps them on a Redis server or in a Redis Cluster, together with programs
//!   in JavaScript.
//! - `lettre`: `relays::SmtpRelay`, which delivers over SMTP.
//! - `serde`: envelopes, ids, records and what a queue tells (replies, counts, what is listed) can be serialized,
//!   under the names that JavaScript has for them.
//! - `tracing`: a span around each attempt, and an event for each of the queue's.
//! - `conformance`: the suite that every host passes, for one's own.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]

#[cfg(all(
    target_family = "wasm",
    any(
        feature = "redb",
        feature = "redis",
        feature = "lettre",
        feature = "serde",
        feature = "tracing",
        feature = "conformance"
    )
))]
compile_error!(
    "slimta-queue-dict has the features redb, redis, lettre, serde, tracing and conformance for native programs only"
);

mod cache;
mod clock;
#[cfg(all(feature = "conformance", not(target_family = "wasm")))]
pub mod conformance;
mod date;
mod envelope;
mod error;
pub mod host;
mod hosts;
mod id;
mod integrity;
mod load;
mod locks;
mod message;
mod meta;
mod millis;
pub mod queue;
#[cfg(all(feature = "lettre", not(target_family = "wasm")))]
pub mod relays;
mod send;
#[cfg(feature = "serde")]
mod shapes;
mod storage;
mod sync;
mod timestamp;
mod wait;
#[cfg(target_family = "wasm")]
mod wasm;
mod watch;

pub use envelope::{Client, Envelope, EnvelopeHandle, NoticeOf};
pub use error::{Error, Got, Invalid};
pub use host::Host;
pub use hosts::MemoryHost;
#[cfg(all(feature = "redis", not(target_family = "wasm")))]
pub use hosts::{Durability, RedisCursor, RedisError, RedisHost};
#[cfg(all(feature = "redb", not(target_family = "wasm")))]
pub use hosts::{RedbError, RedbHost};
pub use id::{Id, NoRandomness, NotAnId};
pub use integrity::{Findings, Repair};
pub use load::Load;
pub use meta::{Attempts, Change, Expect, Failed, LastReply, Lease, Meta, Notice};
pub use send::{MaybeSend, MaybeSync};
pub use storage::{DictStorage, Queued, Result};
pub use timestamp::Timestamp;
pub use wait::Wait;
