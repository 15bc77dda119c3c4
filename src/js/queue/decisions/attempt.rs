//! One attempt of one message, from its claim to its end: which step is next, and what its result
//! means.
//!
//! Whoever drives it makes each [`Command`] against storage, relay and the caller's functions and
//! hands back an [`Input`], until the command is [`Command::Done`]. Both drivers, that of Rust and
//! that of JavaScript, are loops over this.
//!
//! A claim writes lease, attempts and timestamp together, and the timestamp is the lease's end: who
//! lists the messages sees when a claimed one comes back if its owner dies. Every later change of
//! the owner expects the lease and the attempts that it wrote; where that fails it looks who is in
//! charge, and if it no longer is, adds its marks and touches nothing else.

mod claim;
mod late;

use super::backoff::Delay;
use super::command::{Command, End, Input, Moment, Record, Settings};
use super::outcome::{Verdict, Verdicts};
use super::schedule::Waiting;
use crate::meta::{Change, Expect, Lease};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Claim,
    LookBeforeClaim,
    Get,
    /// Whether to go on with a message whose last attempt was cut short.
    Doubt,
    GiveBack,
    Relay,
    Backoff,
    Bounce,
    Keep,
    Record,
    LookAfterRecord,
    Late,
    /// Before `Record` or `Late` is tried again.
    Rest {
        late: bool,
    },
    Remove,
    Ended,
}

/// How often what others interfere with is begun anew before it is left for later.
const TRIES: u32 = 5;
/// When what cannot be read is looked at again: somebody may have repaired it.
const UNREADABLE: f64 = 3_600_000.0;
/// When refused recipients come back whose bounce could not be stored.
const AFTER_FAILED_BOUNCE: f64 = 60_000.0;
const LONGEST_PAUSE: f64 = 60_000.0;

/// An attempt under way.
#[derive(Debug)]
pub struct Attempt {
    waiting: Waiting,
    /// Whether it was hurried, so that its time does not matter.
    urgent: bool,
    stage: Stage,
    tries: u32,
    /// The claim.
    held: Lease,
    attempts: u32,
    /// The claim that replaces it, while it is being renewed.
    renewing: Option<Lease>,
    /// Whether the message was claimed from somebody whose lease had ended.
    cut_short: bool,
    bounces: bool,
    indexes: Vec<u32>,
    verdicts: Verdicts,
    /// Numbers of the replies whose bounces are not stored yet; the last one is next.
    refusals: Vec<u32>,
    /// The time of the next attempt, once it is known.
    next: Option<f64>,
    recorded: bool,
    lost: bool,
    after_late: Option<f64>,
}

impl Attempt {
    /// An attempt of a message that is due.
    #[must_use]
    pub fn new(waiting: Waiting, urgent: bool) -> Self {
        Self {
            waiting,
            urgent,
            stage: Stage::Claim,
            tries: 0,
            held: Lease { until: f64::NEG_INFINITY, owner: String::new() },
            attempts: 0,
            renewing: None,
            cut_short: false,
            bounces: false,
            indexes: Vec::new(),
            verdicts: Verdicts::default(),
            refusals: Vec::new(),
            next: None,
            recorded: false,
            lost: false,
            after_late: None,
        }
    }

    /// What the schedule knew of the message.
    #[must_use]
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// How often delivery was attempted, this time included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What it came to for each recipient, once that is known.
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The original positions of the recipients.
    #[must_use]
    pub fn indexes(&self) -> &[u32] {
        &self.indexes
    }

    /// Whether the outcome is in the storage.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether somebody else had claimed the message before the outcome was stored.
    #[must_use]
    pub fn is_lease_lost(&self) -> bool {
        self.lost
    }

    /// The time of the next attempt, if there is one.
    #[must_use]
    pub fn next_timestamp(&self) -> Option<f64> {
        self.next
    }

    /// Whether this is the timestamp that the attempt itself has written or begun with.
    pub(crate) fn knows(&self, timestamp: f64) -> bool {
        timestamp == self.waiting.timestamp || timestamp == self.held.until || self.next == Some(timestamp)
    }

    /// The first command.
    pub fn begin(&mut self, settings: &Settings, moment: Moment) -> Command {
        let record = Record { timestamp: self.waiting.timestamp, attempts: self.waiting.attempts, lease: Some(None) };
        self.claim(record, settings, moment)
    }

    /// The command after the one that came to `input`.
    pub fn answer(&mut self, input: Input, settings: &Settings, moment: Moment) -> Command {
        match (self.stage, input) {
            (Stage::Claim, Input::Changed(true)) => self.go(Stage::Get, Command::Get),
            (Stage::Claim, Input::Changed(false) | Input::Unknown) => {
                self.tries = self.tries.saturating_add(1);
                if self.tries > TRIES {
                    return self.later(None);
                }
                self.go(Stage::LookBeforeClaim, Command::Look)
            }
            (Stage::LookBeforeClaim, Input::Looked(Some(record))) => self.look(record, settings, moment),
            (Stage::LookBeforeClaim, Input::Looked(None)) => self.end(End::Gone),

            (Stage::Get, Input::Got { indexes, .. }) if indexes.is_empty() => self.go(Stage::Remove, Command::Remove),
            (Stage::Get, Input::Got { indexes, bounces }) => {
                (self.indexes, self.bounces) = (indexes, bounces);
                let made = self.attempts.saturating_sub(1);
                match (self.cut_short, settings.asks_backoff) {
                    (false, _) => self.go(Stage::Relay, Command::Relay),
                    (true, true) => self.go(Stage::Doubt, Command::Backoff(made)),
                    (true, false) => self.doubt(Delay::usual(made, moment.random), settings, moment),
                }
            }
            (Stage::Get, Input::Unreadable) => self.give_back(Some(moment.wall + UNREADABLE)),
            (Stage::Get, Input::Failed | Input::Unknown) => self.give_back(None),
            (Stage::Doubt, Input::Delay(delay)) => {
                let usual = || Delay::usual(self.attempts.saturating_sub(1), moment.random);
                let delay = delay.unwrap_or_else(usual);
                self.doubt(delay, settings, moment)
            }
            (Stage::GiveBack, Input::Changed(true)) => self.later(self.next),
            (Stage::GiveBack, Input::Gone) => self.end(End::Gone),
            (Stage::GiveBack, _) => self.comes_back(Some(self.held.until)),

            (Stage::Relay, Input::Relayed(verdicts)) => {
                self.verdicts = verdicts;
                match (self.verdicts.defers(), settings.asks_backoff) {
                    (false, _) => self.refuse(settings, moment),
                    (true, true) => self.go(Stage::Backoff, Command::Backoff(self.attempts)),
                    (true, false) => self.put_off(Delay::usual(self.attempts, moment.random), settings, moment),
                }
            }
            (Stage::Backoff, Input::Delay(delay)) => {
                let delay = delay.unwrap_or_else(|| Delay::usual(self.attempts, moment.random));
                self.put_off(delay, settings, moment)
            }
            (Stage::Bounce, Input::Stored) => {
                (self.tries, _) = (0, self.refusals.pop());
                self.bounce(settings, moment)
            }
            (Stage::Bounce, _) => {
                self.tries = self.tries.saturating_add(1);
                if self.tries >= TRIES
                    && let Some(reply) = self.refusals.pop()
                {
                    self.tries = 0;
                    self.verdicts.put_off(Some(reply));
                }
                self.bounce(settings, moment)
            }
            (Stage::Keep, Input::Stored) => self.record(moment),
            (Stage::Keep, _) => {
                self.tries = self.tries.saturating_add(1);
                if self.tries < TRIES {
                    return Command::Keep;
                }
                for reply in self.refused_replies() {
                    self.verdicts.put_off(Some(reply));
                }
                self.record(moment)
            }

            (Stage::Record, Input::Changed(true)) => self.recorded(),
            (Stage::Record, Input::Changed(false)) => self.go(Stage::LookAfterRecord, Command::Look),
            (Stage::LookAfterRecord, Input::Looked(Some(record))) => self.look_again(record, moment),
            (Stage::Record | Stage::Late, Input::Gone)
            | (Stage::LookAfterRecord, Input::Looked(None) | Input::Gone) => {
                self.recorded = true; // nobody is left to be told of
                self.end(End::Gone)
            }
            (Stage::Late, Input::Changed(_)) => {
                self.recorded = true;
                self.comes_back(self.after_late)
            }
            (Stage::Record | Stage::LookAfterRecord, _) => self.rest(false),
            (Stage::Late, _) => self.rest(true),
            (Stage::Rest { late: false }, Input::Stored) => self.record(moment),
            (Stage::Rest { late: true }, Input::Stored) => self.record_late(),
            (Stage::Rest { .. }, _) => self.comes_back(None),

            (Stage::Remove, Input::Stored | Input::Gone) => self.end(End::Gone),
            (Stage::Remove, _) => self.comes_back(None),

            (Stage::Claim | Stage::LookBeforeClaim | Stage::Get, Input::Gone) => self.end(End::Gone),
            (Stage::Claim | Stage::LookBeforeClaim, Input::Unreadable) => self.later(Some(moment.wall + UNREADABLE)),
            // What is no answer to the command is none at all.
            _ => self.later(None),
        }
    }

    /// A change that lets the claim last longer, while the relay has the message. It is made beside
    /// the command; [`Attempt::renewed`] takes its result before the command's.
    pub fn renew(&mut self, settings: &Settings, moment: Moment) -> Option<Change> {
        if self.stage != Stage::Relay {
            return None;
        }
        let lease = Lease { until: moment.wall + settings.lease, owner: settings.owner.clone() };
        self.renewing = Some(lease.clone());
        Some(Change { timestamp: Some(lease.until), lease: Some(Some(lease)), ..self.fenced() })
    }

    /// What a renewal came to.
    pub fn renewed(&mut self, input: &Input) {
        if let (Input::Changed(true), Some(lease)) = (input, self.renewing.take()) {
            self.held = lease;
        }
    }

    // ---- the outcome ----

    fn put_off(&mut self, delay: Delay, settings: &Settings, moment: Moment) -> Command {
        match delay {
            Delay::After(wait) => self.next = Some(moment.wall + wait.max(self.verdicts.rest())),
            Delay::GiveUp => self.verdicts.give_up(),
        }
        self.refuse(settings, moment)
    }

    /// Bounces for those that are given up, before they are marked.
    fn refuse(&mut self, settings: &Settings, moment: Moment) -> Command {
        self.tries = 0;
        if self.bounces {
            self.refusals = self.refused_replies();
        }
        self.bounce(settings, moment)
    }

    fn bounce(&mut self, settings: &Settings, moment: Moment) -> Command {
        if let Some(reply) = self.refusals.last() {
            return self.go(Stage::Bounce, Command::Bounce(*reply));
        }
        if settings.keeps && self.verdicts.places(Verdict::Refused).next().is_some() {
            return self.go(Stage::Keep, Command::Keep);
        }
        self.record(moment)
    }

    /// The distinct replies to those that are given up, the first one last.
    fn refused_replies(&self) -> Vec<u32> {
        let mut named = vec![false; self.verdicts.replies().len()];
        for place in self.verdicts.places(Verdict::Refused) {
            let reply = self.verdicts.reply_number(place).and_then(|reply| usize::try_from(reply).ok());
            if let Some(named) = reply.and_then(|reply| named.get_mut(reply)) {
                *named = true;
            }
        }
        let numbers = (0_u32..).zip(named).filter(|(_, named)| *named).map(|(number, _)| number);
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.reverse();
        numbers
    }

    fn record(&mut self, moment: Moment) -> Command {
        if self.next.is_none() {
            let wait = if self.verdicts.defers() { AFTER_FAILED_BOUNCE } else { 0.0 };
            self.next = Some(moment.wall + wait);
        }
        let change = Change { timestamp: self.next, lease: Some(None), delivered: self.marks(), ..self.fenced() };
        self.go(Stage::Record, Command::Change(change))
    }

    /// The original positions of those that need no more attempts.
    #[must_use]
    pub fn marks(&self) -> Vec<u32> {
        let marked = |(place, index): (usize, &u32)| match self.verdicts.verdict(place) {
            Some(Verdict::Delivered | Verdict::Refused) => Some(*index),
            _ => None,
        };
        self.indexes.iter().enumerate().filter_map(marked).collect()
    }

    fn recorded(&mut self) -> Command {
        self.recorded = true;
        if self.verdicts.defers() {
            return self.comes_back(self.next);
        }
        self.go(Stage::Remove, Command::Remove)
    }

    /// What was delivered has to be stored before anything else happens, however long that takes.
    fn rest(&mut self, late: bool) -> Command {
        let pause = 250.0 * f64::from(1_u32.wrapping_shl(self.tries.min(20)));
        self.tries = self.tries.saturating_add(1);
        self.go(Stage::Rest { late }, Command::Pause(pause.min(LONGEST_PAUSE)))
    }

    // ---- ends ----

    /// A change that only the owner can make.
    fn fenced(&self) -> Change {
        let lease = Some(Some(self.held.clone()));
        Change { expect: Expect { attempts: Some(self.attempts), lease, timestamp: None }, ..Change::default() }
    }

    fn go(&mut self, stage: Stage, command: Command) -> Command {
        self.stage = stage;
        command
    }

    /// Nothing was attempted: the message is as the schedule knew it.
    fn later(&mut self, due: Option<f64>) -> Command {
        let Waiting { timestamp, attempts, .. } = self.waiting;
        self.end(End::Again { due, timestamp, attempts })
    }

    /// It was attempted, and is due again at `due`.
    fn comes_back(&mut self, due: Option<f64>) -> Command {
        let timestamp = due.or(self.next).unwrap_or(self.held.until);
        self.end(End::Again { due, timestamp, attempts: self.attempts })
    }

    fn end(&mut self, end: End) -> Command {
        self.go(Stage::Ended, Command::Done(end))
    }
}
