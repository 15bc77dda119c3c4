//! What callers hand over: natively it goes between threads, in wasm everything has one thread.

#[cfg(not(target_family = "wasm"))]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

#[cfg(not(target_family = "wasm"))]
use futures_util::FutureExt;

use super::backoff::Patience;
use super::boxed::{BoxError, BoxFuture};
use super::event::Event;
use super::reply::Reply;

#[cfg(not(target_family = "wasm"))]
mod kinds {
    use super::{Arc, BoxError, BoxFuture, Duration, Event, Patience, Reply};

    /// Decides when to try again: by the envelope, how often delivery was attempted, the replies to the
    /// recipients that are left, and how long somebody was patient. The time to wait, or nothing to give
    /// up. After an error the usual backoff decides.
    pub type Backoff<E> = dyn Fn(&E, u32, &[Arc<Reply>], Patience) -> Result<Option<Duration>, BoxError> + Send + Sync;
    /// Makes what tells the sender of recipients, those of the envelope, whom one attempt gave up: by
    /// the first reply, and by that of each recipient. Nothing for no bounce. After an error the usual
    /// notification is sent.
    pub type BounceFactory<E> =
        dyn Fn(&E, &Reply, &[Arc<Reply>]) -> BoxFuture<'static, Result<Option<E>, BoxError>> + Send + Sync;
    /// Changes an envelope before it is stored, or replaces it by several; by none, and it is dropped. An error is that of
    /// `enqueue`, which stores nothing then; a notice is tried again after it.
    pub type Policy<E> = dyn Fn(E) -> BoxFuture<'static, Result<Vec<E>, BoxError>> + Send + Sync;
    /// Names the destination of an address. After an error it is the usual one.
    pub type DestinationOf = dyn Fn(&str) -> Result<String, BoxError> + Send + Sync;
    /// Hears of events; `X` is what the host of the storage throws.
    pub type Listener<E, X> = dyn Fn(&Event<'_, E, X>) + Send + Sync;
    /// Is ready when the owner of a claim is known to be gone, by its name; never where nobody can know.
    pub type OwnerGone = dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync;
}

#[cfg(target_family = "wasm")]
mod kinds {
    use super::{Arc, BoxError, BoxFuture, Duration, Event, Patience, Reply};

    /// Decides when to try again: by the envelope, how often delivery was attempted, the replies to the
    /// recipients that are left, and how long somebody was patient. The time to wait, or nothing to give
    /// up. After an error the usual backoff decides.
    pub type Backoff<E> = dyn Fn(&E, u32, &[Arc<Reply>], Patience) -> Result<Option<Duration>, BoxError>;
    /// Makes what tells the sender of recipients, those of the envelope, whom one attempt gave up: by
    /// the first reply, and by that of each recipient. Nothing for no bounce. After an error the usual
    /// notification is sent.
    pub type BounceFactory<E> = dyn Fn(&E, &Reply, &[Arc<Reply>]) -> BoxFuture<'static, Result<Option<E>, BoxError>>;
    /// Changes an envelope before it is stored, or replaces it by several; by none, and it is dropped. An error is that of
    /// `enqueue`, which stores nothing then; a notice is tried again after it.
    pub type Policy<E> = dyn Fn(E) -> BoxFuture<'static, Result<Vec<E>, BoxError>>;
    /// Names the destination of an address. After an error it is the usual one.
    pub type DestinationOf = dyn Fn(&str) -> Result<String, BoxError>;
    /// Hears of events; `X` is what the host of the storage throws.
    pub type Listener<E, X> = dyn Fn(&Event<'_, E, X>);
    /// Is ready when the owner of a claim is known to be gone, by its name; never where nobody can know.
    pub type OwnerGone = dyn Fn(&str) -> BoxFuture<'static, ()>;
}

pub use kinds::{Backoff, BounceFactory, DestinationOf, Listener, OwnerGone, Policy};

/// What a function of the caller returns; its panic is an error. In wasm a panic ends the instance.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, BoxError> {
    #[cfg(target_family = "wasm")]
    return Ok(call());
    #[cfg(not(target_family = "wasm"))]
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panicked(&*panic))
}

/// What a future of the caller comes to; its panic is an error.
pub(super) async fn caught_async<T>(call: impl Future<Output = T>) -> Result<T, BoxError> {
    #[cfg(target_family = "wasm")]
    return Ok(call.await);
    #[cfg(not(target_family = "wasm"))]
    AssertUnwindSafe(call).catch_unwind().await.map_err(|panic| panicked(&*panic))
}

#[cfg(not(target_family = "wasm"))]
fn panicked(panic: &(dyn std::any::Any + Send)) -> BoxError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a text")).into()
}
