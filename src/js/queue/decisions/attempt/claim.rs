//! How an attempt takes its message, looks who has it, and gives it back.

use super::{Attempt, Stage};
use crate::js::queue::decisions::backoff::Delay;
use crate::js::queue::decisions::command::{Command, End, Moment, Record, Settings};
use crate::js::queue::decisions::outcome::{Said, Verdicts};
use crate::js::queue::decisions::reply::Reply;
use crate::js::queue::decisions::schedule::Waiting;
use crate::meta::{Attempts, Change, Expect, Lease};

/// How far a lease may reach before it is taken for one of a clock that was wrong.
const FARTHEST_LEASE: f64 = 86_400_000.0;

/// What is said of a message that was claimed again and again by deliverers that died of it.
const NEVER_ENDED: &str = "4.3.0 no attempt to deliver this message came to an end";

impl Attempt {
    pub(super) fn claim(&mut self, record: Record, settings: &Settings, moment: Moment) -> Command {
        let lease = Lease { until: moment.wall + settings.lease, owner: settings.owner.clone() };
        self.attempts = record.attempts.saturating_add(1);
        self.held = lease.clone();
        self.waiting.timestamp = record.timestamp;
        self.waiting.attempts = record.attempts;
        let expect = Expect { timestamp: Some(record.timestamp), attempts: Some(record.attempts), lease: record.lease };
        let change = Change {
            expect,
            timestamp: Some(lease.until),
            attempts: Some(Attempts::Set(self.attempts)),
            lease: Some(Some(lease)),
            ..Change::default()
        };
        self.go(Stage::Claim, Command::Claim(change))
    }

    /// The record is not what the schedule knew, or nobody knows whether the claim was made.
    pub(super) fn look(&mut self, record: Record, settings: &Settings, moment: Moment) -> Command {
        let lease = record.lease.clone().flatten();
        if lease.as_ref() == Some(&self.held) && record.attempts == self.attempts {
            return self.go(Stage::Get, Command::Get); // the claim was made
        }
        let own = lease.as_ref().is_some_and(|lease| lease.owner == settings.owner);
        // What the schedule has waited for is due, whatever the wall says by now.
        let is_due =
            |time: f64| time <= moment.wall || (!self.urgent && self.first_known() == Some(time)) || time.is_nan();
        if let Some(lease) = lease.as_ref().filter(|lease| !own && !is_due(lease.until)) {
            let farthest = lease.until.min(moment.wall + FARTHEST_LEASE);
            let (due, timestamp) = (farthest.max(record.timestamp), lease.until.max(record.timestamp));
            return self.end(End::Again { due: Some(due), timestamp, attempts: record.attempts });
        }
        if !own && !self.urgent && !is_due(record.timestamp) {
            let Record { timestamp, attempts, .. } = record;
            return self.end(End::Again { due: Some(timestamp), timestamp, attempts });
        }
        self.cut_short = lease.is_some() && !own && record.attempts > 0;
        self.claim(record, settings, moment)
    }

    /// The timestamp that the schedule has waited for, unless this attempt has replaced it.
    pub(super) fn first_known(&self) -> Option<f64> {
        (self.tries <= 1).then_some(self.waiting.timestamp)
    }

    /// Takes the claim back, and the attempt that was none.
    pub(super) fn give_back(&mut self, next: Option<f64>) -> Command {
        self.next = next;
        let Waiting { timestamp, attempts, .. } = self.waiting;
        self.waiting.timestamp = next.unwrap_or(timestamp);
        let change = Change {
            timestamp: Some(self.waiting.timestamp),
            attempts: Some(Attempts::Set(attempts)),
            lease: Some(None),
            ..self.fenced()
        };
        self.go(Stage::GiveBack, Command::Change(change))
    }

    /// Whether a message goes on whose last deliverer has disappeared.
    pub(super) fn doubt(&mut self, delay: Delay, settings: &Settings, moment: Moment) -> Command {
        if delay != Delay::GiveUp {
            return self.go(Stage::Relay, Command::Relay);
        }
        self.verdicts = Verdicts::new(self.indexes.len());
        self.verdicts.all(Said::Permanent(Reply::new(451, NEVER_ENDED)), self.indexes.len());
        self.refuse(settings, moment)
    }
}
