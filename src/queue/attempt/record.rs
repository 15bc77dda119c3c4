//! How an attempt records what it came to: whoever is given up is told of and kept before that.

use super::{AFTER_FAILED_BOUNCE, AttemptState, LONGEST_PAUSE, Stage};
use crate::meta::Change;
use crate::queue::backoff::Delay;
use crate::queue::command::{Command, Moment, Settings};
use crate::queue::outcome::Status;

impl AttemptState {
    pub(super) fn defer(&mut self, delay: Delay, settings: &Settings, moment: Moment) -> Command {
        match delay {
            Delay::After(wait) => self.next = Some(moment.wall + wait.max(self.outcome.retry_after())),
            Delay::GiveUp => self.outcome.give_up(),
        }
        self.begin_bounces(settings, moment)
    }

    /// Bounces for those that are given up, before they are marked.
    pub(super) fn begin_bounces(&mut self, settings: &Settings, moment: Moment) -> Command {
        self.tries = 0;
        if self.has_sender {
            self.notices = self.outcome.failed_replies();
            self.notices.reverse();
        }
        self.bounce(settings, moment)
    }

    pub(super) fn bounce(&mut self, settings: &Settings, moment: Moment) -> Command {
        if let Some(reply) = self.notices.last() {
            return self.go(Stage::Bounce, Command::Bounce(*reply));
        }
        if settings.has_dead_letter && self.outcome.has(Status::Failed) {
            return self.go(Stage::DeadLetter, Command::DeadLetter);
        }
        self.record(moment)
    }

    pub(super) fn record(&mut self, moment: Moment) -> Command {
        if self.next.is_none() {
            let wait = if self.outcome.has(Status::Deferred) { AFTER_FAILED_BOUNCE } else { 0.0 };
            self.next = Some(moment.wall + wait);
        }
        let change = Change { timestamp: self.next, lease: Some(None), delivered: self.marks(), ..self.fenced() };
        self.go(Stage::Record, Command::Change(change))
    }

    /// The original positions of those that need no more attempts.
    pub(super) fn marks(&self) -> Vec<u32> {
        let marked = |(place, index): (usize, &u32)| match self.outcome.status(place) {
            Some(Status::Delivered | Status::Failed) => Some(*index),
            _ => None,
        };
        self.indexes.iter().enumerate().filter_map(marked).collect()
    }

    pub(super) fn recorded(&mut self) -> Command {
        self.recorded = true;
        if self.outcome.has(Status::Deferred) {
            return self.comes_back(self.next);
        }
        self.go(Stage::Remove, Command::Remove)
    }

    /// What was delivered has to be stored before anything else happens, however long that takes.
    pub(super) fn pause(&mut self, lease_lost: bool) -> Command {
        let pause = 250.0 * f64::from(1_u32.wrapping_shl(self.tries.min(20)));
        self.tries = self.tries.saturating_add(1);
        self.go(Stage::Pause { lease_lost }, Command::Pause(pause.min(LONGEST_PAUSE)))
    }
}
