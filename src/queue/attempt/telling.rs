//! How those are told of and kept whom an attempt gave up.
//!
//! The record says so already, under `untold`: whoever claims the message does only this until somebody
//! was told, and stores the same under the same ids. A notice that names its original clears `untold`
//! itself, when it is claimed; otherwise this owner does.

use super::{AttemptState, Stage};
use crate::meta::{Attempts, Change, Meta};
use crate::queue::backoff::{is_long_enough, wait_after};
use crate::queue::command::{Command, Moment, Settings};
use crate::queue::outcome::Status;

/// When a message whose notice is stored looks again whether that was confirmed, in milliseconds.
pub(in crate::queue) const SOON: f64 = 1_000.0;

impl AttemptState {
    /// Tells of those whom the record names: another attempt may have delivered to some of them. Whoever
    /// has the message by now tells of them, if that is somebody else.
    pub(super) fn tell_failed(&mut self, meta: Meta, settings: &Settings, moment: Moment) -> Command {
        if !self.holds(&meta) {
            return self.leave_to_others();
        }
        let Meta { untold, failed, .. } = meta;
        self.untold = failed.into_iter().find(|failed| Some(failed.attempt) == untold);
        let Some(failed) = self.untold.clone() else { return self.settle(settings, moment) };
        if settings.has_dead_letter {
            return self.go(Stage::DeadLetter, Command::DeadLetter(failed));
        }
        self.bounce(settings, moment)
    }

    /// Tells the sender. The null sender hears nothing, also where the message was left to be told of by a
    /// queue that keeps dead letters (RFC 5321, section 6.1).
    pub(super) fn bounce(&mut self, settings: &Settings, moment: Moment) -> Command {
        if !self.has_sender {
            return self.told(false, settings, moment);
        }
        self.go(Stage::Bounce, Command::Bounce)
    }

    /// The sender was told, or there is a notice that looks itself whether it is to be sent.
    pub(super) fn told(&mut self, looks_itself: bool, settings: &Settings, moment: Moment) -> Command {
        self.tries = 0;
        if !self.recorded {
            // It waited for this alone, and nothing was attempted.
            self.next = Some(if looks_itself { moment.wall + SOON } else { moment.wall });
            self.attempts_after = Some(self.message.attempts);
        }
        if !looks_itself {
            self.untold = None;
        } else if !self.is_left() {
            // The notice removes the message; if it never does, somebody looks again then.
            self.next = Some(moment.wall + 2.0 * settings.lease);
        }
        self.settle(settings, moment)
    }

    /// Nobody could be told or kept: that is tried again, after longer and longer waits, and ends some day.
    pub(super) fn tell_again(&mut self, settings: &Settings, moment: Moment) -> Command {
        let attempt = self.untold.as_ref().map_or(self.attempts, |failed| failed.attempt);
        let tries = self.attempts.saturating_sub(attempt).saturating_add(1);
        match self.planned.filter(|_| !self.recorded) {
            // Who flushes it puts nothing off, and ends nothing.
            Some(planned) => {
                self.next = Some(planned);
                self.attempts_after = Some(self.message.attempts);
            }
            None if self.stage == Stage::Bounce && is_long_enough(tries) => {
                self.untold = None; // what was given up is kept, if it is, and an event has told of it
            }
            None => {
                let again = moment.wall + wait_after(tries, moment.random);
                self.next = Some(self.next.filter(|next| self.is_left() && *next > again).unwrap_or(again));
            }
        }
        self.tries = 0;
        self.settle(settings, moment)
    }

    /// The claim ends; somebody was told unless `untold` still says whom.
    pub(super) fn settle(&mut self, settings: &Settings, moment: Moment) -> Command {
        if self.untold.is_none() && !self.is_left() {
            self.next = Some(moment.wall + settings.keep_delivered);
        }
        let next = *self.next.get_or_insert(self.message.timestamp);
        let untold = self.untold.is_none().then_some(None);
        let attempts = self.attempts_after.map(Attempts::Set);
        let change = Change { timestamp: Some(next), attempts, lease: Some(None), untold, ..self.fenced() };
        self.go(Stage::Settle, Command::Change(Box::new(change)))
    }

    pub(super) fn settled(&mut self, settings: &Settings) -> Command {
        self.attempts = self.attempts_after.unwrap_or(self.attempts);
        if self.untold.is_some() || self.is_left() || settings.keep_delivered > 0.0 {
            return self.comes_back(self.next);
        }
        self.go(Stage::Remove, Command::Remove)
    }

    /// The record was not as this owner had left it: it has settled after all, or others have the message, or had it.
    pub(super) fn settle_as_found(&mut self, meta: Meta, settings: &Settings) -> Command {
        let is_told = self.untold.is_some() || meta.untold.is_none();
        if self.in_doubt && meta.lease.is_none() && is_told {
            return self.settled(settings);
        }
        self.leave_to_others()
    }

    /// Whether somebody needs another attempt.
    fn is_left(&self) -> bool {
        if self.recorded { self.outcome.has(Status::Deferred) } else { !self.indexes.is_empty() }
    }
}
