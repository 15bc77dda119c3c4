//! The queue: attempts, backoff, partial delivery, bounces, several deliverers on one storage.
//!
//! What decides is here and pure, with the time passed in: [`Deliveries`] knows what is due,
//! [`Attempt`] is the one home of the steps of an attempt, [`Verdicts`] say what a relay's answer
//! means, [`Delay`] when to try again, [`Failure`] what a sender is told. What has effects are two
//! thin drivers: `Queue` for Rust programs, and `pkg/queue.js` for JavaScript.

mod attempt;
mod backoff;
mod bounce;
mod clock;
mod command;
mod deliveries;
mod driver;
mod event;
mod outcome;
#[allow(clippy::module_inception)]
mod queue;
mod reply;
mod schedule;
mod time;

pub use attempt::Attempt;
pub use backoff::Delay;
pub use bounce::{Failure, bounce_id, date, derived};
pub use clock::Clock;
pub use command::{Command, End, Input, Moment, Record, Settings};
pub use deliveries::{Deliveries, Tally};
pub use event::{Event, Kind, Recipient};
pub use outcome::{Answer, Said, Verdict, Verdicts};
pub use queue::{Backoff, BounceFactory, Info, Listener, Options, Policy, Queue, Relay};
pub use reply::Reply;
pub use schedule::{Schedule, Waiting};
pub use time::{SystemTimer, Timer};
