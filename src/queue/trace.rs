//! What a queue tells, for subscribers of `tracing`; the feature of that name.
//!
//! Each attempt is a span `attempt` with the id of the message. In it, and outside of one, each event of
//! the queue is an event of the same name: `failed`, `overdue` and `error` are warnings, `delivered`,
//! `deferred` and `bounced` information, and the rest is for debugging.

use std::fmt::Debug;

use tracing::{Instrument, debug, debug_span, info, warn};

use super::event::{Cause, Kind, Recipient};
use crate::error::Error;
use crate::id::Id;

/// An attempt, in its span.
pub(super) fn attempt<T>(id: Id, run: impl Future<Output = T>) -> impl Future<Output = T> {
    run.instrument(debug_span!("attempt", %id))
}

/// Tells of an event.
pub(super) fn event<E, X: Debug>(id: Option<Id>, attempts: u32, kind: &Kind<'_, E, X>) {
    let (id, name) = (id.map(tracing::field::display), kind.name());
    match kind {
        Kind::Queued | Kind::Attempt | Kind::Removed => debug!(id, attempts, "{name}"),
        Kind::Delivered(recipients) => info!(id, attempts, recipients = recipients.len(), "{name}"),
        Kind::Deferred { recipients, timestamp } => {
            info!(id, attempts, recipients = recipients.len(), %timestamp, reply = reply_to(recipients), "{name}");
        }
        Kind::Failed(recipients) => {
            warn!(id, attempts, recipients = recipients.len(), reply = reply_to(recipients), "{name}");
        }
        Kind::Bounced { recipients, id: bounce, .. } => {
            info!(id, attempts, recipients = recipients.len(), %bounce, "{name}");
        }
        Kind::Overdue { timestamp } => warn!(id, attempts, %timestamp, "{name}"),
        Kind::Error(cause) => warn!(id, attempts, cause = cause_of(cause), "{name}"),
    }
}

/// What was said of the first one.
fn reply_to(recipients: &[Recipient]) -> Option<String> {
    let reply = recipients.iter().find_map(|recipient| recipient.reply.as_ref())?;
    Some(reply.to_string())
}

fn cause_of<X: Debug>(cause: &Cause<X>) -> String {
    match cause {
        Cause::Storage(Error::Host(error)) => format!("the host failed: {error:?}"),
        Cause::Storage(error) => error.reason().into(),
        Cause::LeaseLost => "somebody else had claimed the message".into(),
        Cause::Relay(error) => format!("the relay failed: {error}"),
        Cause::Unrecognised(reason) => (*reason).into(),
        Cause::Callback(error) => format!("a function of the caller failed: {error}"),
    }
}
