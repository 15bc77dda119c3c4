//! How an attempt holds its claim, and makes changes that only its owner can make.

use super::{AttemptState, Stage};
use crate::meta::{Change, Expect, Meta};
use crate::queue::command::{Input, Moment, Settings};
use crate::queue::schedule::QueuedMessage;

impl AttemptState {
    /// A change that lets the claim last longer, while the relay has the message. It is made beside
    /// the command; [`AttemptState::renewed`] takes its result before the command's.
    pub(in crate::queue) fn renew(&mut self, settings: &Settings, moment: Moment) -> Option<Change> {
        if self.stage != Stage::Relay || self.unclaimed.is_some() {
            return None;
        }
        let lease = settings.claim(moment);
        self.renewing = Some(lease.clone());
        Some(Change { timestamp: Some(lease.until), lease: Some(Some(lease)), ..self.fenced() })
    }

    /// What a renewal came to.
    pub(in crate::queue) fn renewed(&mut self, input: &Input) {
        if let (Input::Changed(true), Some(lease)) = (input, self.renewing.take()) {
            self.held = lease;
        }
    }

    /// Whether this is the record as this owner has left it.
    pub(in crate::queue) fn holds(&self, meta: &Meta) -> bool {
        meta.attempts == self.attempts && meta.lease.as_ref() == Some(&self.held)
    }

    /// Whether this is the record of the message that this attempt is done with: by now another one may have its id.
    pub(in crate::queue) fn is_done_with(&self, meta: &Meta) -> bool {
        match (&self.unclaimed, &meta.lease) {
            (Some(found), lease) => lease == found && meta.attempts == self.message.attempts,
            (None, Some(lease)) => *lease == self.held,
            (None, None) => self.next == Some(meta.timestamp) && meta.attempts == self.attempts,
        }
    }

    /// A change that only the owner can make.
    pub(super) fn fenced(&self) -> Change {
        let expect = match &self.unclaimed {
            None => {
                let lease = Some(Some(self.held.clone()));
                Expect { attempts: Some(self.attempts), lease, ..Expect::default() }
            }
            Some(found) => {
                let QueuedMessage { timestamp, attempts, .. } = self.message;
                let (timestamp, attempts) = (Some(timestamp), Some(attempts));
                Expect { timestamp, attempts, lease: Some(found.clone()), untold: Some(None) }
            }
        };
        Change { expect, ..Change::default() }
    }
}
