//! What this binding stands on until it gives way to `crate::queue`: the decisions without their driver.
#![allow(dead_code, unused_imports, missing_docs, missing_debug_implementations)]

mod attempt;
mod backoff;
mod bounce;
mod clock;
mod command;
mod deliveries;
mod outcome;
mod reply;
mod schedule;

pub use attempt::Attempt;
pub use backoff::Delay;
pub use bounce::{Failure, bounce_id, derived};
pub use command::{Command, End, Input, Moment, Record, Settings};
pub use deliveries::{Deliveries, Tally};
pub use outcome::{Answer, Said, Verdict, Verdicts};
pub use reply::Reply;
pub use schedule::Waiting;
