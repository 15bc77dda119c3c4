//! Which message is next, and when to look again.

mod admission;

use std::collections::HashMap;
use std::sync::Arc;

use super::attempt::AttemptState;
use super::clock::Clock;
use super::command::{End, Input};
use super::destinations::{Destinations, Visit};
use super::info::Info;
use super::outcome::Status;
use super::run::Tally;
use super::schedule::{QueuedMessage, Schedule};
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
    destinations: Destinations,
    /// Those messages under way that wait for a destination.
    waiting: Schedule,
    /// How many others may be under way.
    limit: usize,
    open: bool,
    /// When what was deferred was let be due.
    hurried_at: f64,
    /// What comes up before its time, since it was attempted in vain or is nobody's any more: nobody has waited
    /// for its time. Whether somebody hurries it.
    early: HashMap<Id, bool>,
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

/// A message that is to be attempted now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) message: QueuedMessage,
    /// The number of its attempt.
    pub(super) number: u64,
    /// Whether its time does not matter.
    pub(super) flushed: bool,
    /// Whether its time has come, whatever the wall says by now.
    pub(super) has_waited: bool,
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
            destinations,
            waiting: Schedule::default(),
            limit,
            open: false,
            hurried_at: f64::NEG_INFINITY,
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

    /// Whether attempts may begin.
    pub(super) fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// A message that waits, or that waits until another time than before. It was attempted so often; if
    /// that is not given, as often as is known.
    pub(super) fn put(&mut self, id: Id, timestamp: f64, attempts: Option<u32>) {
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.heard = Heard::At(timestamp);
            return;
        }
        let queued = self.schedule.get(id);
        let attempts = attempts.or(queued.map(|message| message.attempts)).unwrap_or(0);
        // What is scheduled already may be hurried, or left alone after a failure.
        let due = match queued.filter(|message| message.timestamp == timestamp) {
            Some(message) => message.due,
            None => {
                self.early.remove(&id);
                self.clock.due(timestamp)
            }
        };
        self.schedule.put(QueuedMessage { id, due, timestamp, attempts });
    }

    /// A message that nobody has claimed, as a record says.
    pub(super) fn put_found(&mut self, id: Id, timestamp: f64, attempts: u32) {
        if attempts > 0 && timestamp - self.clock.wall() > self.longest_wait {
            self.put_now(id, timestamp, attempts);
        } else {
            self.put(id, timestamp, Some(attempts));
        }
    }

    /// A message that is due now, whatever its time: whoever had claimed it is gone.
    pub(super) fn put_now(&mut self, id: Id, timestamp: f64, attempts: u32) {
        self.schedule.see(id);
        if !self.under_way.contains_key(&id) {
            self.early.entry(id).or_insert(false);
            self.schedule.put(QueuedMessage { id, due: self.clock.now(), timestamp, attempts });
        }
    }

    /// A message that somebody else has claimed. It waits no longer than a lease, whatever the clocks say: who
    /// is alive has renewed the claim by then.
    pub(super) fn put_claimed(&mut self, id: Id, timestamp: f64, attempts: u32, lease: f64) {
        self.put(id, timestamp, Some(attempts));
        if let Some(message) = self.schedule.get(id) {
            self.schedule.put(QueuedMessage { due: message.due.min(self.clock.now() + lease), ..message });
        }
    }

    /// A message that is claimed under this queue's name. If nothing of it is known, whoever has claimed it
    /// is gone without an end (see [`Options::owner`](super::Options::owner)), and it is due now.
    pub(super) fn put_own(&mut self, id: Id, timestamp: f64) {
        self.schedule.see(id);
        if !self.under_way.contains_key(&id) && self.schedule.get(id).is_none() {
            self.early.entry(id).or_insert(false);
            self.schedule.put(QueuedMessage { id, due: self.clock.now(), timestamp, attempts: 0 });
        }
    }

    /// A message that is gone. What was known of it, unless it is being attempted: what waits for a destination is not.
    pub(super) fn forget(&mut self, id: Id) -> Option<QueuedMessage> {
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.heard = Heard::Gone;
            let waiting = self.waiting.remove(id)?;
            if let Some(visit) = under_way.visit.take() {
                self.destinations.give_up(&visit);
            }
            return Some(waiting);
        }
        self.early.remove(&id);
        self.schedule.remove(id)
    }

    /// A message that is there, and whose record cannot be read.
    pub(super) fn see(&mut self, id: Id) {
        self.schedule.see(id);
    }

    /// A scan begins.
    pub(super) fn begin_scan(&mut self) {
        self.schedule.begin_scan();
    }

    /// The scan has ended: forgets what it has not seen, unless that was added meanwhile.
    pub(super) fn end_scan(&mut self) -> Vec<QueuedMessage> {
        let gone = self.schedule.end_scan();
        for message in &gone {
            self.early.remove(&message.id);
        }
        gone
    }

    /// Lets everything that was deferred be due now.
    pub(super) fn hurry(&mut self) {
        self.probe_at = f64::NEG_INFINITY;
        let now = self.clock.now();
        self.schedule.hurry(now, self.hurried_at);
        self.hurried_at = now;
    }

    /// Whether a message is due whose record has this timestamp.
    pub(super) fn is_due(&self, id: Id, timestamp: f64) -> bool {
        // What has waited long enough is due, also where the wall was set back meanwhile.
        timestamp <= self.clock.wall() || self.schedule.get(id).is_some_and(|message| message.due <= self.clock.now())
    }

    /// The timestamp of a message that waits, as far as is known.
    pub(super) fn timestamp_of(&self, id: Id) -> Option<f64> {
        self.schedule.get(id).map(|message| message.timestamp)
    }

    /// How many attempts are under way that do not wait for a destination.
    fn in_attempt(&self) -> usize {
        self.under_way.len().saturating_sub(self.waiting.len())
    }

    /// Whether no attempt of another message may begin before another one ends.
    pub(super) fn is_full(&self) -> bool {
        self.in_attempt() >= self.limit || self.waiting.len() >= MOST_WAITING
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
        Some(self.begin(message, message.due == self.hurried_at, false))
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
        let flushed = flushed || early == Some(true);
        let has_waited = !flushed && early.is_none();
        self.begun = self.begun.saturating_add(1);
        let number = self.begun;
        self.under_way.insert(message.id, UnderWay { number, is_listed, heard: Heard::Nothing, visit: None });
        Due { message, number, flushed, has_waited }
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

    /// What attempts have come to so far that no run has made.
    pub(super) fn started(&self) -> Tally {
        self.started
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
                self.early.insert(id, attempt.is_flushed());
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
    /// its message is as before. Nothing if it has ended.
    pub(super) fn abandon(&mut self, message: QueuedMessage, number: u64, flushed: bool) {
        let has_waited = self.waiting.get(message.id).is_some();
        let Some(UnderWay { heard, .. }) = self.ended(message.id, number, !has_waited) else { return };
        if heard == Heard::Gone {
            return;
        }
        if !has_waited || flushed {
            self.early.insert(message.id, flushed);
        }
        let due = if has_waited { message.due } else { self.clock.now() + self.rest };
        self.schedule.put(QueuedMessage { due, ..message });
        if let Heard::At(timestamp) = heard
            && has_waited
        {
            self.put(message.id, timestamp, None);
        }
    }

    /// Takes an attempt off, if it is under way; what was heard of its message.
    fn ended(&mut self, id: Id, number: u64, attempted: bool) -> Option<UnderWay> {
        if !self.is_under_way(id, number) {
            return None;
        }
        let has_waited = self.waiting.remove(id).is_some();
        let under_way = self.under_way.remove(&id)?;
        match &under_way.visit {
            Some(visit) if has_waited => self.destinations.give_up(visit),
            Some(visit) => self.destinations.leave(visit, attempted),
            None => {}
        }
        Some(under_way)
    }

    /// The message that is due first, of those that wait for their time or for a destination.
    fn first(&self) -> Option<QueuedMessage> {
        match (self.schedule.first(), self.waiting.first()) {
            (Some(first), Some(waiting)) => Some(if waiting.due <= first.due { waiting } else { first }),
            (first, waiting) => first.or(waiting),
        }
    }

    /// How many messages there are, and when the first of them is due, on the clock on the wall. What is
    /// being attempted comes back after a lease at the latest.
    pub(super) fn left(&self, lease: f64) -> (usize, Option<f64>) {
        let first = self.first().map(|message| {
            // What is left alone after a failure is due later than its record says.
            let later = message.due - self.clock.due(message.timestamp);
            message.timestamp + if later >= 1.0 { later } else { 0.0 }
        });
        let attempted = (self.in_attempt() > 0).then(|| self.clock.wall() + lease);
        let next = match (first, attempted) {
            (Some(first), Some(attempted)) => Some(first.min(attempted)),
            (first, attempted) => first.or(attempted),
        };
        (self.info().size, next)
    }

    /// The oldest message that waits if it is late by more than so many milliseconds, unless that was said
    /// since the last time when none was.
    pub(super) fn overdue(&mut self, after: f64) -> Option<QueuedMessage> {
        let wall = self.clock.wall();
        let is_late = |message: &QueuedMessage| wall - message.timestamp > after;
        let first = self.first().filter(is_late);
        let told = self
            .overdue
            .filter(|id| self.under_way.contains_key(id) || self.schedule.get(*id).as_ref().is_some_and(is_late));
        let was_told = self.overdue.is_some();
        self.overdue = first.map(|message| message.id).or(told);
        first.filter(|_| !was_told)
    }

    /// In how many milliseconds there is something to tell of what is overdue, if it stays as it is.
    pub(super) fn overdue_in(&self, after: f64) -> Option<f64> {
        let first = self.first().filter(|_| self.overdue.is_none())?;
        Some((first.timestamp + after - self.clock.wall()).clamp(1.0, LOOK_AGAIN))
    }

    /// What there is to do and was done.
    pub(super) fn info(&self) -> Info {
        Info {
            size: self.schedule.len().saturating_add(self.under_way.len()),
            oldest_due: self.first().map(|message| message.timestamp),
            in_attempt: self.in_attempt(),
            ..self.counts
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Id {
        Id::from_u128(1)
    }

    fn begun() -> (Scheduler, Due) {
        let mut scheduler = Scheduler::new(1, f64::INFINITY, Destinations::new(None, None));
        scheduler.tick(50.0, 0.0);
        scheduler.open(true);
        scheduler.put(id(), 40.0, None);
        let due = scheduler.take().unwrap();
        (scheduler, due)
    }

    #[test]
    fn what_is_hurried_twice_before_its_attempt_begins_is_not_taken_for_due() {
        let mut scheduler = Scheduler::new(1, f64::INFINITY, Destinations::new(None, None));
        scheduler.tick(50.0, 0.0);
        scheduler.open(true);
        scheduler.put(id(), 9_000.0, Some(1));
        scheduler.hurry();
        scheduler.tick(51.0, 1.0);
        scheduler.hurry();
        assert!(scheduler.take().unwrap().flushed);
    }

    #[test]
    fn no_more_attempts_are_under_way_than_may_be() {
        let (mut scheduler, _) = begun();
        scheduler.put(Id::from_u128(2), 40.0, None);
        assert_eq!((scheduler.take(), scheduler.idle()), (None, None));
        assert_eq!((scheduler.info().size, scheduler.info().in_attempt), (2, 1));
    }

    #[test]
    fn what_was_heard_of_a_message_while_it_was_attempted_counts_at_the_end_if_it_is_sooner() {
        for (timestamp, next) in [(45.0, 45.0), (90.0, 80.0), (40.0, 80.0)] {
            let (mut scheduler, due) = begun();
            scheduler.put(id(), timestamp, None);
            let attempt = AttemptState::new(due);
            scheduler.end(&attempt, due.number, End::Rescheduled { due: Some(80.0), timestamp: 80.0, attempts: 1 });
            assert_eq!(scheduler.info().oldest_due, Some(next), "{timestamp}");
        }
    }

    #[test]
    fn while_the_storage_fails_one_message_a_second_is_attempted_and_all_that_are_due_once_it_takes_something() {
        let mut scheduler = Scheduler::new(10, f64::INFINITY, Destinations::new(None, None));
        scheduler.tick(50.0, 0.0);
        scheduler.open(true);
        (1..=5).for_each(|number| scheduler.put(Id::from_u128(number), 40.0, None));
        let fail = |scheduler: &mut Scheduler| {
            let due = scheduler.take().unwrap();
            scheduler.note(&Input::Failed, 0.0);
            scheduler.abandon(due.message, due.number, due.flushed);
            due.message.id
        };
        let first = fail(&mut scheduler);
        let second = fail(&mut scheduler);
        assert_eq!((scheduler.take(), scheduler.idle()), (None, Some(1_000.0)));
        scheduler.tick(1_050.0, 1_000.0);
        let third = scheduler.take().unwrap().message.id;
        assert!(third != first && third != second, "what has failed goes behind what is due");
        assert_eq!(scheduler.take(), None);
        assert!(scheduler.note(&Input::Changed(true), 0.0));
        assert_eq!(std::iter::from_fn(|| scheduler.take()).count(), 4);
    }

    #[test]
    fn an_attempt_that_is_abandoned_after_its_end_changes_nothing() {
        let (mut scheduler, due) = begun();
        scheduler.abandon(due.message, due.number, due.flushed);
        assert_eq!(scheduler.info().in_attempt, 0);
        scheduler.tick(1e6, 1e6);
        let again = scheduler.take().unwrap();
        scheduler.abandon(due.message, due.number, due.flushed);
        assert_eq!((again.message.id, scheduler.info().in_attempt), (id(), 1));
    }
}
