//! How an attempt goes on whose record somebody else has changed meanwhile.

use super::{AttemptState, Stage};
use crate::meta::{Change, Meta};
use crate::queue::command::{Command, Moment, Settings};
use crate::queue::outcome::Status;

impl AttemptState {
    /// The record was not as this owner had left it.
    pub(super) fn reclaim(&mut self, meta: Meta, settings: &Settings, moment: Moment) -> Command {
        let Meta { timestamp, attempts, lease, untold, .. } = meta;
        let same = attempts == self.attempts;
        match &lease {
            Some(lease) if same && lease.owner == self.held.owner => {
                (self.held, self.unclaimed) = (lease.clone(), None); // a renewal had been made after all
                return self.record(settings, moment);
            }
            None if same && Some(timestamp) == self.next => return self.recorded(settings), // made after all
            // Somebody is still to be told of what another attempt came to: see [`Meta::untold`].
            None if self.unclaimed.is_some() && untold.is_none() => {
                (self.message.timestamp, self.message.attempts) = (timestamp, attempts);
                self.attempts = attempts.saturating_add(1);
                self.unclaimed = Some(None);
                return self.record(settings, moment);
            }
            _ => {}
        }
        self.late = !same || lease.is_some() || !self.in_doubt;
        self.lost = self.late;
        self.after_lease_lost = Some(lease.map_or(timestamp, |lease| lease.until).max(timestamp));
        if attempts < self.attempts && self.unclaimed.is_none() {
            // No record forgets an attempt: this is another message, which somebody has queued under the same id.
            self.recorded = true;
            return self.comes_back(self.after_lease_lost);
        }
        self.record_lease_lost()
    }

    /// What was delivered alone, whoever has the message by now: of those that failed, whoever it is finds out.
    pub(super) fn record_lease_lost(&mut self) -> Command {
        let change = Change { delivered: self.positions(Status::Delivered), ..Change::default() };
        if change.delivered.is_empty() {
            self.recorded = true;
            return self.comes_back(self.after_lease_lost);
        }
        self.go(Stage::LeaseLost, Command::Change(Box::new(change)))
    }
}
