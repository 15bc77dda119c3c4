//! What delivers messages.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::answer::Answer;
use super::boxed::{BoxError, BoxFuture};
use super::signal::AbortSignal;
use crate::id::Id;
use crate::send::{MaybeSend, MaybeSync};

/// One attempt to deliver a message, as its relay sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Which message.
    pub id: Id,
    /// How often delivery was attempted before.
    pub attempts: u32,
    /// Is aborted when the attempt is out of time, and when the queue is stopped within a time that has passed
    /// ([`Queue::stop_within`](super::Queue::stop_within)). An answer that comes at once, before the program turns to
    /// other work, still counts. A later one does not.
    pub signal: AbortSignal,
}

impl Attempt {
    /// An attempt to try a relay with, after so many others.
    #[must_use]
    pub fn new(id: Id, attempts: u32) -> Self {
        Self { id, attempts, signal: AbortSignal::default() }
    }
}

/// Delivers messages. Natively a relay and its futures are `Send`.
///
/// ```
/// use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Relay};
/// use slimta_queue_dict::Envelope;
///
/// /// Delivers to nobody but says that it did.
/// struct Hole;
///
/// impl Relay<Envelope> for Hole {
///     async fn attempt(&self, envelope: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
///         println!("{}: {:?}", attempt.id, envelope.recipients);
///         Ok(Answer::delivered())
///     }
/// }
/// ```
pub trait Relay<E>: MaybeSend + MaybeSync {
    /// Attempts to deliver a message to all its recipients.
    ///
    /// # Errors
    /// Whatever went wrong without an answer for the recipients: all of them are tried again.
    fn attempt(&self, envelope: &E, attempt: Attempt) -> impl Future<Output = Result<Answer, BoxError>> + MaybeSend;

    /// Whether an attempt of this message goes on here that a queue of the same name has begun which is no
    /// more. Such a message waits for no [destination](super::Destination).
    fn has(&self, id: Id) -> bool {
        let _ = id;
        false
    }

    /// Hears that an attempt has ended: what was answered is recorded, or counts no more.
    fn settled(&self, id: Id) {
        let _ = id;
    }
}

/// A relay that can be a trait object, see [`BoxRelay`].
pub trait DynRelay<E> {
    /// The same as [`Relay::attempt`].
    fn attempt_boxed<'a>(&'a self, envelope: &'a E, attempt: Attempt) -> BoxFuture<'a, Result<Answer, BoxError>>;

    /// The same as [`Relay::has`].
    fn has_boxed(&self, id: Id) -> bool {
        let _ = id;
        false
    }

    /// The same as [`Relay::settled`].
    fn settled_boxed(&self, id: Id) {
        let _ = id;
    }
}

/// Any relay, to be chosen while the program runs.
#[cfg(not(target_family = "wasm"))]
pub type BoxRelay<E> = Box<dyn DynRelay<E> + Send + Sync>;
/// Any relay, to be chosen while the program runs.
#[cfg(target_family = "wasm")]
pub type BoxRelay<E> = Box<dyn DynRelay<E>>;

#[cfg(not(target_family = "wasm"))]
type Object<'o, E> = dyn DynRelay<E> + Send + Sync + 'o;
#[cfg(target_family = "wasm")]
type Object<'o, E> = dyn DynRelay<E> + 'o;

impl<E: MaybeSync> Relay<E> for Object<'_, E> {
    async fn attempt(&self, envelope: &E, attempt: Attempt) -> Result<Answer, BoxError> {
        self.attempt_boxed(envelope, attempt).await
    }

    fn has(&self, id: Id) -> bool {
        self.has_boxed(id)
    }

    fn settled(&self, id: Id) {
        self.settled_boxed(id);
    }
}

impl<E, R: Relay<E> + ?Sized> Relay<E> for Box<R> {
    fn attempt(&self, envelope: &E, attempt: Attempt) -> impl Future<Output = Result<Answer, BoxError>> + MaybeSend {
        self.deref().attempt(envelope, attempt)
    }

    fn has(&self, id: Id) -> bool {
        self.deref().has(id)
    }

    fn settled(&self, id: Id) {
        self.deref().settled(id);
    }
}

impl<E, R: Relay<E> + ?Sized> Relay<E> for Arc<R> {
    fn attempt(&self, envelope: &E, attempt: Attempt) -> impl Future<Output = Result<Answer, BoxError>> + MaybeSend {
        self.deref().attempt(envelope, attempt)
    }

    fn has(&self, id: Id) -> bool {
        self.deref().has(id)
    }

    fn settled(&self, id: Id) {
        self.deref().settled(id);
    }
}

#[cfg(not(target_family = "wasm"))]
type Function<E> = dyn Fn(&E, Attempt) -> BoxFuture<'static, Result<Answer, BoxError>> + Send + Sync;
#[cfg(target_family = "wasm")]
type Function<E> = dyn Fn(&E, Attempt) -> BoxFuture<'static, Result<Answer, BoxError>>;

/// A relay that is a function; see [`relay_fn`].
// The function has no type of its own here: a task over the type of a closure that takes a reference cannot be spawned.
pub struct RelayFn<E>(Arc<Function<E>>);

impl<E> Clone for RelayFn<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for RelayFn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayFn")
    }
}

/// Makes a relay of a function.
///
/// ```
/// use slimta_queue_dict::queue::{Answer, Attempt, BoxRelay, relay_fn};
/// use slimta_queue_dict::Envelope;
///
/// let relay = relay_fn(|envelope: &Envelope, _: Attempt| {
///     let recipients = envelope.recipients.len();
///     async move {
///         println!("{recipients} recipients");
///         Ok(Answer::delivered())
///     }
/// });
/// let any: BoxRelay<Envelope> = Box::new(relay);
/// ```
pub fn relay_fn<E, F, Fut>(function: F) -> RelayFn<E>
where
    F: Fn(&E, Attempt) -> Fut + MaybeSend + MaybeSync + 'static,
    Fut: Future<Output = Result<Answer, BoxError>> + MaybeSend + 'static,
{
    RelayFn(Arc::new(move |envelope, attempt| Box::pin(function(envelope, attempt))))
}

impl<E> Relay<E> for RelayFn<E> {
    fn attempt(&self, envelope: &E, attempt: Attempt) -> impl Future<Output = Result<Answer, BoxError>> + MaybeSend {
        (self.0)(envelope, attempt)
    }
}

impl<E> DynRelay<E> for RelayFn<E> {
    fn attempt_boxed<'a>(&'a self, envelope: &'a E, attempt: Attempt) -> BoxFuture<'a, Result<Answer, BoxError>> {
        (self.0)(envelope, attempt)
    }
}
