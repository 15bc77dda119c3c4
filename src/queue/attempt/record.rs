//! How an attempt records what it came to.

use super::{AttemptState, LONGEST_PAUSE, Paused, Stage};
use crate::meta::{Attempts, Change, Failed};
use crate::queue::backoff::Delay;
use crate::queue::command::{Command, Moment, Settings};
use crate::queue::last_replies::last_replies;
use crate::queue::outcome::Status;

impl AttemptState {
    /// When those come back who are left: as the caller says, or as usual.
    pub(super) fn defer(&mut self, delay: Option<Delay>, settings: &Settings, moment: Moment) -> Command {
        let asked = moment.wall + self.outcome.retry_after();
        match (delay, self.planned) {
            // Who flushes it puts nothing off, and ends nothing.
            (None, Some(planned)) => self.next = Some(planned.max(asked)),
            (delay, _) => match delay.unwrap_or_else(|| Delay::usual(self.patience, moment.wall, moment.random)) {
                Delay::After(wait) => self.next = Some(asked.max(moment.wall + wait)),
                Delay::GiveUp => self.outcome.give_up(),
            },
        }
        // Nothing is put off past that time: it ends then.
        self.next = self.next.map(|next| next.min(self.expires.unwrap_or(f64::INFINITY)));
        self.record(settings, moment)
    }

    /// One change: who needs no more attempts, and when the others are due. The claim ends by it unless
    /// somebody is to be told first.
    pub(super) fn record(&mut self, settings: &Settings, moment: Moment) -> Command {
        let is_left = self.outcome.has(Status::Deferred);
        let next = *self.next.get_or_insert(moment.wall + settings.keep_delivered);
        let failed = self.positions(Status::Failed);
        let tells = self.tells(settings);
        let attempts = self.unclaimed.as_ref().map(|_| Attempts::Set(self.attempts));
        let mut change = Change { attempts, delivered: self.positions(Status::Delivered), ..self.fenced() };
        if tells {
            let lease = settings.claim(moment);
            (change.timestamp, change.lease) = (Some(lease.until), Some(Some(lease.clone())));
            change.untold = Some(Some(self.attempts));
            self.renewing = Some(lease);
        } else {
            (change.timestamp, change.lease) = (Some(next), Some(None));
        }
        if is_left || !failed.is_empty() || settings.keep_delivered > 0.0 {
            change.first_attempt = Some(self.patience.since.as_millis());
            change.scheduled = Some(self.patience.scheduled);
            // A record may be too large for its host with them: each third try is without, so that one that failed once
            // keeps what was said.
            let replies = || last_replies(&self.outcome, &self.indexes, &self.last_replies);
            change.replies = Some(if self.tries % 3 < 2 { replies() } else { Vec::new() });
        }
        if !failed.is_empty() {
            change.failed = Some(Failed { attempt: self.attempts, indexes: failed });
        }
        self.go(Stage::Record, Command::Change(Box::new(change)))
    }

    /// Whether somebody is to hear of those who were given up.
    fn tells(&self, settings: &Settings) -> bool {
        self.outcome.has(Status::Failed) && !self.expired && (self.has_sender || settings.has_dead_letter)
    }

    /// Whether the message can go, with nobody to be attempted again, to be told, or to find it.
    pub(super) fn needs_nothing(&self, settings: &Settings) -> bool {
        !self.outcome.has(Status::Deferred) && !self.tells(settings) && settings.keep_delivered == 0.0
    }

    /// Whether anybody needs no more attempts by it.
    pub(super) fn marks_somebody(&self) -> bool {
        self.outcome.has(Status::Delivered) || self.outcome.has(Status::Failed)
    }

    /// The original positions of those that came to this.
    pub(super) fn positions(&self, status: Status) -> Vec<u32> {
        self.outcome.places(status).filter_map(|place| self.indexes.get(place).copied()).collect()
    }

    /// The outcome is in the storage.
    pub(super) fn recorded(&mut self, settings: &Settings) -> Command {
        (self.recorded, self.unclaimed) = (true, None);
        if let Some(lease) = self.renewing.take() {
            (self.held, self.tries, self.in_doubt) = (lease, 0, false);
            return self.go(Stage::GetFailed, Command::GetMeta);
        }
        self.leave(settings)
    }

    /// Nobody is to be told, and the claim has ended: the message waits, or goes.
    fn leave(&mut self, settings: &Settings) -> Command {
        if self.outcome.has(Status::Deferred) || settings.keep_delivered > 0.0 {
            return self.comes_back(self.next);
        }
        self.go(Stage::Remove, Command::Remove)
    }

    /// What was delivered has to be stored before anything else happens, however long that takes.
    pub(super) fn pause(&mut self, paused: Paused) -> Command {
        let pause = 250.0 * f64::from(1_u32.wrapping_shl(self.tries.min(20)));
        self.tries = self.tries.saturating_add(1);
        self.go(Stage::Pause(paused), Command::Pause(pause.min(LONGEST_PAUSE)))
    }
}
