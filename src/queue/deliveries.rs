//! What a queue does next: which message is attempted, and when to look again.

use alloc::vec::Vec;

use super::attempt::{Attempt, Command, End, Input, Moment, Settings};
use super::clock::Clock;
use super::outcome::Verdict;
use super::schedule::{Schedule, Waiting};
use crate::id::Id;
use crate::meta::Change;
use crate::table::IdMap;

/// The schedule of a queue and its attempts under way. It knows no storage, relay or timer: whoever
/// drives it tells the time and makes the commands of the attempts.
#[derive(Debug)]
pub struct Deliveries {
    settings: Settings,
    clock: Clock,
    schedule: Schedule,
    under_way: Vec<Option<UnderWay>>,
    numbers: IdMap<u32>,
    count: usize,
    limit: usize,
    open: bool,
    /// When everything that waited was hurried.
    hurried: f64,
    /// How often in a row the storage has failed.
    failures: u32,
    tally: Tally,
}

#[derive(Debug)]
struct UnderWay {
    attempt: Attempt,
    /// A timestamp that somebody else has given the message meanwhile.
    news: Option<f64>,
}

/// What attempts came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that delivered to somebody.
    pub delivered: u64,
    /// Attempts after which somebody waits for the next one.
    pub deferred: u64,
    /// Attempts that gave somebody up.
    pub failed: u64,
}

/// The longest time without a look at the clocks: a machine may sleep, and a clock be set.
const LOOK_AGAIN: f64 = 60_000.0;
const LONGEST_PAUSE: f64 = 300_000.0;

impl Deliveries {
    /// Nothing waits, and nothing is attempted before [`Deliveries::open`]; at most `limit` attempts
    /// are under way at once.
    #[must_use]
    pub fn new(settings: Settings, limit: usize) -> Self {
        Self {
            settings,
            clock: Clock::default(),
            schedule: Schedule::new(),
            under_way: Vec::new(),
            numbers: IdMap::default(),
            count: 0,
            limit,
            open: false,
            hurried: f64::NEG_INFINITY,
            failures: 0,
            tally: Tally::default(),
        }
    }

    /// Reads the clocks; see [`Clock::tick`].
    pub fn tick(&mut self, wall: f64, steady: f64) {
        self.clock.tick(wall, steady);
    }

    /// Whether attempts may begin.
    pub fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// A message that waits, or that waits until another time than before.
    pub fn put(&mut self, id: Id, timestamp: f64) {
        if let Some(under_way) = self.numbers.get(id).copied().and_then(|number| self.at(number)) {
            if !under_way.attempt.knows(timestamp) {
                under_way.news = Some(timestamp);
            }
            return;
        }
        // What is known already may be hurried, or rest after a failure.
        if self.schedule.get(id).is_some_and(|waiting| waiting.timestamp == timestamp) {
            return;
        }
        let attempts = self.schedule.get(id).map_or(0, |waiting| waiting.attempts);
        self.schedule.put(Waiting { id, due: self.clock.due(timestamp), timestamp, attempts });
    }

    /// A message that is gone.
    pub fn forget(&mut self, id: Id) {
        self.schedule.remove(id);
    }

    /// Lets everything that waits be due now.
    pub fn hurry(&mut self) {
        self.hurried = self.clock.now();
        self.schedule.hurry(self.hurried);
    }

    /// Whether something waits still that was there when all was hurried.
    #[must_use]
    pub fn is_hurrying(&self) -> bool {
        self.schedule.first().is_some_and(|waiting| waiting.due <= self.hurried)
    }

    /// Begins an attempt of the message that is due first, if one may begin now, and returns its
    /// number.
    pub fn take(&mut self) -> Option<u32> {
        if !self.open || self.count >= self.limit {
            return None;
        }
        let waiting = self.schedule.pop_due(self.clock.now())?;
        let urgent = waiting.due == self.hurried;
        let under_way = UnderWay { attempt: Attempt::new(waiting, urgent), news: None };
        let number = self.under_way.iter().position(Option::is_none);
        let place = number.unwrap_or_else(|| {
            self.under_way.push(None);
            self.under_way.len().saturating_sub(1)
        });
        *self.under_way.get_mut(place)? = Some(under_way);
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        self.numbers.insert(waiting.id, number);
        self.count = self.count.saturating_add(1);
        Some(number)
    }

    /// For how many milliseconds nothing begins by itself; `None` if nothing does.
    #[must_use]
    pub fn idle(&self) -> Option<f64> {
        if !self.open || self.count >= self.limit {
            return None;
        }
        self.schedule.first().map(|waiting| (waiting.due - self.clock.now()).clamp(0.0, LOOK_AGAIN))
    }

    /// An attempt under way.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.under_way.get(usize::try_from(number).ok()?)?.as_ref().map(|under_way| &under_way.attempt)
    }

    /// The first command of an attempt.
    pub fn begin(&mut self, number: u32, random: f64) -> Command {
        let moment = Moment { wall: self.clock.wall(), random };
        let (settings, attempt) = self.parts(number);
        attempt.map_or(Command::Done(End::Gone), |attempt| attempt.begin(settings, moment))
    }

    /// The command of an attempt after the one that came to `input`.
    pub fn answer(&mut self, number: u32, input: Input, random: f64) -> Command {
        let moment = Moment { wall: self.clock.wall(), random };
        match input {
            Input::Failed | Input::Unknown => self.failures = self.failures.saturating_add(1),
            Input::Changed(_) | Input::Looked(_) | Input::Got { .. } => self.failures = 0,
            _ => {}
        }
        let (settings, attempt) = self.parts(number);
        attempt.map_or(Command::Done(End::Gone), |attempt| attempt.answer(input, settings, moment))
    }

    /// See [`Attempt::renew`].
    pub fn renew(&mut self, number: u32) -> Option<Change> {
        let moment = Moment { wall: self.clock.wall(), random: 0.0 };
        let (settings, attempt) = self.parts(number);
        attempt?.renew(settings, moment)
    }

    /// See [`Attempt::renewed`].
    pub fn renewed(&mut self, number: u32, input: &Input) {
        if let Some(under_way) = self.at(number) {
            under_way.attempt.renewed(input);
        }
    }

    /// Takes an attempt that is done; its message waits again or is forgotten.
    pub fn end(&mut self, number: u32, end: End) -> Option<Attempt> {
        let place = usize::try_from(number).ok()?;
        let UnderWay { attempt, news } = self.under_way.get_mut(place)?.take()?;
        let id = attempt.waiting().id;
        self.numbers.remove(id);
        self.count = self.count.saturating_sub(1);
        if attempt.is_recorded() {
            let verdicts = attempt.verdicts();
            for (verdict, count) in [
                (Verdict::Delivered, &mut self.tally.delivered),
                (Verdict::Deferred, &mut self.tally.deferred),
                (Verdict::Refused, &mut self.tally.failed),
            ] {
                if verdicts.places(verdict).next().is_some() {
                    *count = count.saturating_add(1);
                }
            }
        }
        if let End::Again { due, timestamp, attempts } = end {
            let due = due.map_or_else(|| self.clock.now() + self.pause(), |due| self.clock.due(due));
            let mut waiting = Waiting { id, due, timestamp, attempts };
            if let Some(timestamp) = news.filter(|news| self.clock.due(*news) < due) {
                // If this is old news, the claim will not find it in the record, and looks.
                waiting = Waiting { due: self.clock.due(timestamp), timestamp, ..waiting };
            }
            self.schedule.put(waiting);
        }
        Some(attempt)
    }

    /// Takes an attempt of which nobody knows how far it got. None is there if it has ended.
    pub fn abandon(&mut self, number: u32, id: Id) {
        let attempt = self.attempt(number).filter(|attempt| attempt.waiting().id == id);
        if let Some(&Waiting { timestamp, attempts, .. }) = attempt.map(Attempt::waiting) {
            self.end(number, End::Again { due: None, timestamp, attempts });
        }
    }

    /// How many messages are known: those that wait and those under way.
    #[must_use]
    pub fn size(&self) -> usize {
        self.schedule.len().saturating_add(self.count)
    }

    /// How many attempts are under way.
    #[must_use]
    pub fn in_attempt(&self) -> usize {
        self.count
    }

    /// The timestamp of the message that is due first.
    #[must_use]
    pub fn oldest_due(&self) -> Option<f64> {
        self.schedule.first().map(|waiting| waiting.timestamp)
    }

    /// What attempts came to so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// For how long the storage is left in peace, longer the more often it has failed in a row.
    fn pause(&self) -> f64 {
        let times = f64::from(1_u32.wrapping_shl(self.failures.saturating_sub(1).min(20)));
        (1_000.0 * times).min(LONGEST_PAUSE)
    }

    fn at(&mut self, number: u32) -> Option<&mut UnderWay> {
        at(&mut self.under_way, number)
    }

    fn parts(&mut self, number: u32) -> (&Settings, Option<&mut Attempt>) {
        (&self.settings, at(&mut self.under_way, number).map(|under_way| &mut under_way.attempt))
    }
}

fn at(under_way: &mut [Option<UnderWay>], number: u32) -> Option<&mut UnderWay> {
    under_way.get_mut(usize::try_from(number).ok()?)?.as_mut()
}
