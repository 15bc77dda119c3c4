//! The queue: attempts, backoff, partial delivery, bounces, several deliverers on one storage.
//!
//! [`Queue`] is what programs see. A worker makes its attempts, each of them a delivery, against
//! storage, relay and the functions of the caller. What decides is pure and has the time passed in:
//! the scheduler says which message is next, the attempt which step is next, the outcome what the
//! answer of a relay means, the backoff when to try again, the DSN what a sender is told.

mod answer;
mod attempt;
mod backoff;
mod bounce_queue;
mod boxed;
mod callback;
mod cancel;
mod chunks;
mod clock;
mod command;
mod dead_letter;
mod delivery;
mod destination;
mod destinations;
mod dsn;
mod due;
mod enqueue_error;
mod enqueue_options;
mod envelope;
mod event;
pub(crate) mod headers;
mod host_name;
mod info;
mod last_replies;
mod list;
mod on_drop;
mod options;
mod outcome;
mod owners;
#[cfg(not(target_family = "wasm"))]
pub mod policies;
#[allow(clippy::module_inception)]
mod queue;
mod relay;
mod reply;
mod retry;
mod run;
mod schedule;
mod scheduler;
mod signal;
mod state;
mod tally;
mod timer;
#[cfg(feature = "tracing")]
mod trace;
mod unrecorded;
mod untold;
mod watcher;
mod worker;

#[cfg(target_family = "wasm")]
pub(crate) use answer::Foreign;
pub use answer::{Answer, Verdict};
pub use backoff::Patience;
pub use bounce_queue::BounceQueue;
pub use boxed::{BoxError, BoxFuture};
pub use callback::{Backoff, BounceFactory, DestinationOf, Listener, OwnerGone, Policy};
pub use destination::Destination;
pub use enqueue_error::{EnqueueError, Results};
pub use enqueue_options::EnqueueOptions;
pub use envelope::{Parts, QueueEnvelope, notice_id};
pub use event::{Cause, Event, Kind, Recipient};
pub use info::Info;
pub use list::{Counts, ListOptions, Listed, Listing, MessageState};
pub use options::Options;
pub use queue::{Enqueued, Queue};
pub use relay::{Attempt, BoxRelay, DynRelay, Relay, RelayFn, relay_fn};
pub use reply::Reply;
#[cfg(target_family = "wasm")]
pub(crate) use run::Which;
pub use run::{RunOptions, RunResult};
pub use signal::AbortSignal;
#[cfg(not(target_family = "wasm"))]
pub use timer::SystemTimer;
pub use timer::Timer;
