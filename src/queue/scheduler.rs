//! Which message is next, and when to look again.

mod admission;
mod known;
mod reads;
mod report;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::reads::Reads;
use super::attempt::AttemptState;
use super::clock::Clock;
use super::command::{End, Input};
use super::destinations::{Destinations, Visit};
use super::due::{Due, Early};
use super::info::Info;
use super::outcome::Status;
use super::schedule::{QueuedMessage, Schedule};
use super::tally::Tally;
use crate::id::Id;

/// The schedule of a queue and the messages that it attempts. It knows no storage, relay or timer:
/// whoever drives it tells the time.
#[derive(Debug)]
pub(super) struct Scheduler {
    clock: Clock,
    schedule: Schedule,
    /// How long a message waits at most that was attempted before.
    longest_wait: f64,
    under_way: HashMap<Id, UnderWay>,
    reads: Reads,
    destinations: Destinations,
    /// Those messages under way that wait for a destination.
    waiting: Schedule,
    /// How many of the others wait until what they came to can be recorded.
    held_up: usize,
    /// How many others may be under way, beside these.
    limit: usize,
    open: bool,
    /// When what was deferred was let be due.
    flushed_at: f64,
    /// What comes up before its time, since it was attempted in vain or is nobody's any more: nobody has waited
    /// for its time.
    early: HashMap<Id, Early>,
    /// Whether the storage has failed, and taken nothing since.
    failing: bool,
    /// When the next message is attempted while it does.
    probe_at: f64,
    /// For how long a message rests with which it has failed.
    rest: f64,
    /// How many attempts have begun so far.
    begun: u64,
    /// What attempts came to so far; the rest of it is not kept.
    counts: Info,
    /// The same of those attempts that no run has made.
    started: Tally,
    /// The last message that is known to be overdue, once that was told.
    overdue: Option<Id>,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    /// Whether a run makes it.
    is_listed: bool,
    /// What was heard last of the message meanwhile.
    heard: Heard,
    /// Once it waits for its destinations, or has begun there.
    visit: Option<Arc<Visit>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    Nothing,
    /// Its record has this timestamp.
    At(f64),
    Gone,
}

/// What an attempt came to for the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) tally: Tally,
    /// Whether somebody else has removed the message meanwhile.
    pub(super) is_gone: bool,
}

/// What came of taking a message that a run has found.
pub(super) enum Taken {
    Now(Due),
    /// The attempt of this number is under way.
    UnderWay(u64),
    /// Somebody has attempted, changed or removed it since.
    Changed,
}

/// The longest time without a look at the clocks: a machine may sleep, and a clock be set.
pub(super) const LOOK_AGAIN: f64 = 60_000.0;
/// For how long a failing storage is left alone, in milliseconds: once it is back, everything is attempted
/// within two seconds.
const SHORTEST_REST: f64 = 1_000.0;
const LONGEST_REST: f64 = 1_800.0;
/// How many deliveries wait for a destination at most: each takes some memory.
const MOST_WAITING: usize = 10_000;

/// For how long a failing storage is left alone, in milliseconds; `random` is a number from 0 to 1.
pub(super) fn rest(random: f64) -> f64 {
    let part = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.5 };
    SHORTEST_REST + part * (LONGEST_REST - SHORTEST_REST)
}

impl Scheduler {
    /// Nothing waits, and nothing is attempted before [`Scheduler::open`]; at most `limit` attempts
    /// are under way at once. What was attempted before waits for `longest_wait` milliseconds at most: a time that is
    /// farther away is one of a clock that was wrong.
    pub(super) fn new(limit: usize, longest_wait: f64, destinations: Destinations) -> Self {
        Self {
            clock: Clock::default(),
            schedule: Schedule::default(),
            longest_wait,
            under_way: HashMap::new(),
            reads: Reads::default(),
            destinations,
            waiting: Schedule::default(),
            held_up: 0,
            limit,
            open: false,
            flushed_at: f64::NEG_INFINITY,
            early: HashMap::new(),
            failing: false,
            probe_at: f64::NEG_INFINITY,
            rest: SHORTEST_REST,
            begun: 0,
            counts: Info::default(),
            started: Tally::default(),
            overdue: None,
        }
    }

    /// Reads the clocks; see [`Clock::tick`].
    pub(super) fn tick(&mut self, wall: f64, steady: f64) {
        self.clock.tick(wall, steady);
    }

    /// What the clock on the wall said last.
    pub(super) fn wall(&self) -> f64 {
        self.clock.wall()
    }

    /// The time of the schedule.
    pub(super) fn now(&self) -> f64 {
        self.clock.now()
    }

    /// Whether attempts may begin.
    pub(super) fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// How many attempts are under way that do not wait for a destination.
    fn in_attempt(&self) -> usize {
        self.under_way.len().saturating_sub(self.waiting.len())
    }

    /// Whether those under way have all places.
    fn has_no_place(&self) -> bool {
        self.in_attempt().saturating_sub(self.held_up) >= self.limit
    }

    /// An attempt begins or ends to be held up, by a storage without room or by a record that cannot be read. It needs no
    /// place meanwhile: others may make room.
    pub(super) fn hold_up(&mut self, is_held_up: bool) {
        self.held_up = if is_held_up { self.held_up.saturating_add(1) } else { self.held_up.saturating_sub(1) };
    }

    /// Whether an attempt of this message is under way that does not wait for a destination.
    pub(super) fn is_in_attempt(&self, id: Id) -> bool {
        self.under_way.contains_key(&id) && self.waiting.get(id).is_none()
    }

    /// Whether no attempt of another message may begin before another one ends.
    pub(super) fn is_full(&self) -> bool {
        self.has_no_place() || self.waiting.len() >= MOST_WAITING
    }

    /// Begins an attempt of the message that is due first, if one may begin now. While the storage fails
    /// this is one message from time to time; the others wait until it takes something.
    pub(super) fn take(&mut self) -> Option<Due> {
        let now = self.clock.now();
        if !self.open || self.is_full() || self.not_before() > now {
            return None;
        }
        let message = self.schedule.pop_due(now)?;
        if self.failing {
            self.probe_at = now + self.rest;
        }
        Some(self.begin(message, message.due == self.flushed_at, false))
    }

    /// Begins an attempt of a message that a run has found with this timestamp, whatever it is due.
    pub(super) fn take_listed(&mut self, id: Id, timestamp: f64) -> Taken {
        if let Some(under_way) = self.under_way.get(&id) {
            return Taken::UnderWay(under_way.number);
        }
        match self.schedule.get(id).filter(|message| message.timestamp == timestamp) {
            Some(message) => {
                self.schedule.remove(id);
                Taken::Now(self.begin(message, message.due > self.clock.now(), true))
            }
            None => Taken::Changed,
        }
    }

    fn begin(&mut self, message: QueuedMessage, flushed: bool, is_listed: bool) -> Due {
        let early = self.early.remove(&message.id);
        let has_waited = !flushed && early.is_none();
        let early = early.unwrap_or_default();
        let early = Early { flushed: flushed || early.flushed, ..early };
        self.begun = self.begun.saturating_add(1);
        let number = self.begun;
        self.under_way.insert(message.id, UnderWay { number, is_listed, heard: Heard::Nothing, visit: None });
        Due { message, number, early, has_waited }
    }

    /// For how many milliseconds nothing begins by itself; `None` if nothing does.
    pub(super) fn idle(&self) -> Option<f64> {
        if !self.open || self.is_full() {
            return None;
        }
        let next = self.schedule.first()?.due.max(self.not_before());
        Some((next - self.clock.now()).clamp(0.0, LOOK_AGAIN))
    }

    /// Nothing begins by itself before this time.
    fn not_before(&self) -> f64 {
        if self.failing { self.probe_at } else { f64::NEG_INFINITY }
    }

    /// Whether the attempt of this number is under way.
    pub(super) fn is_under_way(&self, id: Id, number: u64) -> bool {
        self.under_way.get(&id).is_some_and(|under_way| under_way.number == number)
    }

    /// What a command has come to. Whether by this the storage works again, and everything may begin that
    /// is due. What it reads tells nothing: a full disk is read, too.
    pub(super) fn note(&mut self, input: &Input, random: f64) -> bool {
        match input {
            Input::Failed | Input::Full | Input::Unknown => (self.failing, self.rest) = (true, rest(random)),
            Input::Changed(_) | Input::Gone => return std::mem::take(&mut self.failing),
            _ => {}
        }
        false
    }

    /// An attempt is done: its message waits again or is forgotten.
    pub(super) fn end(&mut self, attempt: &AttemptState, number: u64, end: End) -> Ended {
        let id = attempt.message().id;
        let tally = tally(attempt);
        let ended = self.ended(id, number, tally.attempted > 0);
        let Some(UnderWay { is_listed, heard, .. }) = ended else { return Ended::default() };
        self.counts.delivered = self.counts.delivered.saturating_add(tally.delivered);
        self.counts.deferred = self.counts.deferred.saturating_add(tally.deferred);
        self.counts.failed = self.counts.failed.saturating_add(tally.failed);
        if !is_listed {
            self.started.add(tally);
        }
        let is_gone = heard == Heard::Gone && end != End::Completed;
        if let End::Rescheduled { due, timestamp, attempts } = end
            && !is_gone
        {
            if due.is_none() {
                self.early.insert(id, attempt.early());
            }
            let due = due.map_or_else(|| self.clock.now() + self.rest, |due| self.clock.due(due));
            let mut message = QueuedMessage { id, due, timestamp, attempts };
            if let Heard::At(timestamp) = heard
                && !attempt.knows(timestamp)
                && self.clock.due(timestamp) < due
            {
                // If the message was changed again, the claim will not find it in the record, and looks.
                message = QueuedMessage { due: self.clock.due(timestamp), timestamp, ..message };
            }
            self.schedule.put(message);
        }
        Ended { tally, is_gone }
    }

    /// An attempt is done of which nobody knows how far it got, or that has only waited for a destination:
    /// its message is as before. Nothing if it has ended. Whether somebody else has removed the message meanwhile.
    pub(super) fn abandon(&mut self, message: QueuedMessage, number: u64, early: Early) -> bool {
        let stood_in_line = self.waiting.get(message.id).is_some();
        let Some(UnderWay { heard, .. }) = self.ended(message.id, number, !stood_in_line) else { return false };
        if heard == Heard::Gone {
            return true;
        }
        if !stood_in_line || early.flushed {
            self.early.insert(message.id, early);
        }
        let due = if stood_in_line { message.due } else { self.clock.now() + self.rest };
        self.schedule.put(QueuedMessage { due, ..message });
        if let Heard::At(timestamp) = heard
            && stood_in_line
        {
            self.put(message.id, timestamp, None);
        }
        false
    }

    /// Takes an attempt off, if it is under way; what was heard of its message.
    fn ended(&mut self, id: Id, number: u64, attempted: bool) -> Option<UnderWay> {
        if !self.is_under_way(id, number) {
            return None;
        }
        let stood_in_line = self.waiting.remove(id).is_some();
        let under_way = self.under_way.remove(&id)?;
        self.reads.ended(id);
        match &under_way.visit {
            Some(visit) if stood_in_line => self.destinations.give_up(visit),
            Some(visit) => self.destinations.leave(visit, attempted),
            None => {}
        }
        Some(under_way)
    }
}

fn tally(attempt: &AttemptState) -> Tally {
    let outcome = attempt.outcome();
    let [delivered, deferred, failed] = [Status::Delivered, Status::Deferred, Status::Failed].map(|it| outcome.has(it));
    let attempted = Tally { attempted: u64::from(delivered || deferred || failed), ..Tally::default() };
    if !attempt.is_recorded() {
        return attempted;
    }
    // Whom a late owner saw fail, a later attempt meets again.
    let [deferred, failed] = [deferred, failed].map(|it| it && !attempt.is_late());
    Tally { delivered: delivered.into(), deferred: deferred.into(), failed: failed.into(), ..attempted }
}
