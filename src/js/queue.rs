//! What `pkg/queue/` stands on: the decisions of a queue, whose attempts it names by numbers.
//!
//! The numbers of a step are in the frame; see `pkg/queue/module.js`.

mod asks;
mod decisions;
mod draft;
mod words;

use wasm_bindgen::prelude::*;

use self::asks::{Ask, Told};
use self::decisions::{
    Attempt, Command, Delay, Deliveries, End, Failure, Input, Record, Reply, Said, Settings, Verdict, Verdicts,
    bounce_id, derived,
};
use self::draft::Draft;
use self::words::{Fate, Result, Saying, Step};
use super::frame::Frame;
use crate::id::Id;
use crate::meta::{Attempts, Change, Lease};

/// A queue's decisions.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct Decisions {
    deliveries: Deliveries,
    owner: String,
    /// Of the last answer.
    numbers: Vec<f64>,
    frame: Frame<NUMBERS>,
    lease: Option<Option<Lease>>,
    indexes: Vec<u32>,
    said: Verdicts,
    ends: Vec<(u32, End)>,
    bounce: Draft,
}

/// What the frame has of a change: timestamp, attempts and lease that are expected, whether that lease
/// is one of this queue, then timestamp, attempts and lease that are next, and how many marks there
/// are. NaN stands for what is not named. Of other steps it has one number.
const NUMBERS: usize = 8;

/// Stands for a lease that is not there; one that is not named is NaN.
const NO_LEASE: f64 = f64::NEG_INFINITY;

#[wasm_bindgen]
impl Decisions {
    /// A queue that claims in the name of `owner`, for `lease` milliseconds at a time, and has at most
    /// `limit` attempts under way.
    #[wasm_bindgen(constructor)]
    pub fn new(owner: &str, lease: f64, limit: f64, asks_backoff: bool, keeps: bool) -> Self {
        let settings = Settings { owner: owner.to_owned(), lease, asks_backoff, keeps };
        Self {
            deliveries: Deliveries::new(settings, limit as usize),
            owner: owner.to_owned(),
            numbers: Vec::new(),
            frame: Frame::default(),
            lease: None,
            indexes: Vec::new(),
            said: Verdicts::default(),
            ends: Vec::new(),
            bounce: Draft::default(),
        }
    }

    /// Where the frame is.
    pub fn frame(&self) -> usize {
        self.frame.address()
    }

    /// Asks or tells something that has no text.
    pub fn ask(&mut self, ask: Ask, attempt: u32, x: f64, y: f64) -> f64 {
        self.tell(ask, attempt, x, y, "")
    }

    /// Asks or tells something, with a text where it has one.
    pub fn tell(&mut self, ask: Ask, attempt: u32, x: f64, y: f64, text: &str) -> f64 {
        let flag = |is: bool| f64::from(u8::from(is));
        match ask {
            Ask::Tick => self.deliveries.tick(x, y),
            Ask::Open => self.deliveries.open(x != 0.0),
            Ask::Hurry => self.deliveries.hurry(),
            Ask::Hurrying => return flag(self.deliveries.is_hurrying()),
            Ask::Take => return self.take().map_or(-1.0, f64::from),
            Ask::Idle => return self.deliveries.idle().unwrap_or(-1.0),
            Ask::Info => self.put_info(),
            Ask::Put => {
                if let Some(id) = self.frame.id()
                    && x.is_finite()
                {
                    self.deliveries.put(id, x);
                }
            }

            Ask::Answer => return self.answer(attempt, result(x), y),
            Ask::Delay => {
                return self.answer(attempt, Input::Delay(Delay::answered((y == 0.0).then_some(x))), 0.5);
            }
            Ask::Looked => {
                let record = Record { timestamp: x, attempts: y as u32, lease: self.lease.take() };
                return self.answer(attempt, Input::Looked(Some(record)), 0.5);
            }
            Ask::Lease => {
                self.lease = match x {
                    unknown if unknown.is_nan() => None,
                    NO_LEASE => Some(None),
                    until => Some(Some(Lease { until, owner: text.to_owned() })),
                };
            }
            Ask::Index => self.indexes.push(x as u32),
            Ask::Got => {
                let indexes = core::mem::take(&mut self.indexes);
                return self.answer(attempt, Input::Got { indexes, bounces: x != 0.0 }, 0.5);
            }
            Ask::Say => {
                let said = said(x, y, text);
                self.said.say(said);
            }
            Ask::SayAll => {
                let recipients = self.attempt(attempt).map_or(0, |attempt| attempt.indexes().len());
                if let Some(said) = said(x, y, text) {
                    self.said.all(said, recipients);
                }
            }
            Ask::Rest => self.said.ask_for_rest(x),
            Ask::Relayed => {
                let recipients = self.attempt(attempt).map_or(0, |attempt| attempt.indexes().len());
                let mut verdicts = core::mem::take(&mut self.said);
                let said = if x == 0.0 { usize::MAX } else { recipients };
                verdicts.end(said, recipients);
                return self.answer(attempt, Input::Relayed(verdicts), y);
            }
            Ask::Renew => {
                let change = self.deliveries.renew(attempt);
                let renews = change.is_some();
                if let Some(change) = change {
                    self.put_change(&change);
                }
                return flag(renews);
            }
            Ask::Renewed => self.deliveries.renewed(attempt, &result(x)),
            Ask::End => {
                if let Some(place) = self.ends.iter().position(|(number, _)| *number == attempt) {
                    let (_, end) = self.ends.swap_remove(place);
                    self.deliveries.end(attempt, end);
                }
            }

            Ask::Recorded => return flag(self.attempt(attempt).is_some_and(Attempt::is_recorded)),
            Ask::Lost => return flag(self.attempt(attempt).is_some_and(Attempt::is_lease_lost)),
            Ask::Next => return self.attempt(attempt).and_then(Attempt::next_timestamp).unwrap_or(f64::NAN),
            Ask::Marks => {
                let marks = self.attempt(attempt).map(Attempt::marks).unwrap_or_default();
                self.numbers = marks.into_iter().map(f64::from).collect();
            }
            Ask::Places => self.put_places(attempt, x),
            Ask::Wrong => return flag(self.attempt(attempt).is_some_and(|made| made.verdicts().wrong.is_some())),
            Ask::Code => return self.reply(attempt, x as u32).map_or(0.0, |reply| reply.code.into()),

            Ask::Bounce => {
                self.bounce = Draft { reply: x as u32, sender: text.to_owned(), ..Draft::default() };
            }
            Ask::Date => text.clone_into(&mut self.bounce.date),
            Ask::Recipient => self.bounce.recipients.push(text.to_owned()),
            Ask::Name => self.bounce.headers.push((text.to_owned(), String::new())),
            Ask::Value => {
                if let Some((_, value)) = self.bounce.headers.last_mut() {
                    text.clone_into(value);
                }
            }
            Ask::Make => self.make_bounce(attempt, text),
        }
        0.0
    }

    /// The numbers of the last answer that has so many as it likes.
    pub fn numbers(&mut self) -> Vec<f64> {
        core::mem::take(&mut self.numbers)
    }

    /// A text.
    pub fn text(&self, text: Told, attempt: u32, x: u32) -> String {
        let mut digits = [0; 32];
        let made = self.attempt(attempt);
        let found = match text {
            Told::Reply => self.reply(attempt, x).map(|reply| &*reply.message),
            Told::Wrong => made.and_then(|made| made.verdicts().wrong),
            Told::BounceId => self.bounce_id(attempt, x).map(|id| id.encode(&mut digits)),
            Told::Header => Some(&*self.bounce.header),
            Told::Body => Some(&*self.bounce.body),
        };
        found.unwrap_or_default().to_owned()
    }

    /// An id that follows from another one and a name; nothing if the first is none.
    pub fn derived(id: &str, name: &str) -> String {
        let mut digits = [0; 32];
        let id = id.parse().map(|id| derived(id, name.as_bytes()));
        id.as_ref().map_or("", |id| id.encode(&mut digits)).to_owned()
    }
}

impl Decisions {
    fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.deliveries.attempt(number)
    }

    fn reply(&self, attempt: u32, reply: u32) -> Option<&Reply> {
        self.attempt(attempt)?.verdicts().reply(reply)
    }

    fn put_info(&mut self) {
        let tally = self.deliveries.tally();
        self.numbers = [
            self.deliveries.size() as f64,
            self.deliveries.in_attempt() as f64,
            tally.delivered as f64,
            tally.deferred as f64,
            tally.failed as f64,
            self.deliveries.oldest_due().unwrap_or(f64::NAN),
        ]
        .into();
    }

    fn put_places(&mut self, attempt: u32, fate: f64) {
        const DELIVERED: u32 = Fate::Delivered as u32;
        const DEFERRED: u32 = Fate::Deferred as u32;
        let verdict = match fate as u32 {
            DELIVERED => Verdict::Delivered,
            DEFERRED => Verdict::Deferred,
            _ => Verdict::Refused,
        };
        let mut numbers = Vec::new();
        if let Some(attempt) = self.attempt(attempt) {
            let verdicts = attempt.verdicts();
            for place in verdicts.places(verdict) {
                numbers.push(place as f64);
                numbers.push(verdicts.reply_number(place).map_or(-1.0, f64::from));
            }
        }
        self.numbers = numbers;
    }

    fn bounce_id(&self, attempt: u32, reply: u32) -> Option<Id> {
        let made = self.attempt(attempt)?;
        let verdicts = made.verdicts();
        let mut indexes = Vec::new();
        for place in verdicts.places(Verdict::Refused) {
            if verdicts.reply_number(place) == Some(reply) {
                indexes.extend(made.indexes().get(place));
            }
        }
        Some(bounce_id(made.waiting().id, &indexes, verdicts.reply(reply)?))
    }

    fn make_bounce(&mut self, attempt: u32, host: &str) {
        let draft = core::mem::take(&mut self.bounce);
        let (Some(id), Some(reply)) = (self.bounce_id(attempt, draft.reply), self.reply(attempt, draft.reply)) else {
            return;
        };
        let failure = Failure {
            id,
            sender: &draft.sender,
            recipients: &draft.recipients,
            reply,
            attempts: self.attempt(attempt).map_or(0, Attempt::attempts),
            headers: &draft.headers,
            host: Some(host),
            date: &draft.date,
        };
        let (header, body) = (failure.header(), failure.body());
        self.bounce = Draft { header, body, ..Draft::default() };
    }

    fn answer(&mut self, attempt: u32, input: Input, random: f64) -> f64 {
        let command = self.deliveries.answer(attempt, input, random);
        self.step(attempt, command)
    }

    /// Begins an attempt; its first step is always a claim.
    fn take(&mut self) -> Option<u32> {
        let number = self.deliveries.take()?;
        let id = self.attempt(number)?.waiting().id;
        let command = self.deliveries.begin(number, 0.5);
        self.step(number, command);
        self.frame.put_id(id);
        Some(number)
    }

    fn step(&mut self, attempt: u32, command: Command) -> f64 {
        let (step, number) = match command {
            Command::Claim(change) => {
                self.put_change(&change);
                return Step::Claim as u32 as f64;
            }
            Command::Change(change) => {
                self.put_change(&change);
                return Step::Change as u32 as f64;
            }
            Command::Done(end) => {
                self.ends.push((attempt, end));
                (Step::Done, 0.0)
            }
            Command::Look => (Step::Look, 0.0),
            Command::Get => (Step::Get, 0.0),
            Command::Relay => (Step::Relay, 0.0),
            Command::Keep => (Step::Keep, 0.0),
            Command::Remove => (Step::Remove, 0.0),
            Command::Backoff(attempts) => (Step::Backoff, attempts.into()),
            Command::Bounce(reply) => (Step::Bounce, reply.into()),
            Command::Pause(milliseconds) => (Step::Pause, milliseconds),
        };
        self.frame.numbers.set([number, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        step as u32 as f64
    }

    fn put_change(&self, change: &Change) {
        let lease = |lease: &Option<Option<Lease>>| match lease {
            None => f64::NAN,
            Some(None) => NO_LEASE,
            Some(Some(lease)) => lease.until,
        };
        let count = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
        let expect = &change.expect;
        let own = expect.lease.iter().flatten().any(|lease| lease.owner == self.owner);
        let attempts = match change.attempts {
            Some(Attempts::Set(attempts)) => Some(attempts),
            Some(Attempts::Increment) | None => None,
        };
        self.frame.numbers.set([
            expect.timestamp.unwrap_or(f64::NAN),
            count(expect.attempts),
            lease(&expect.lease),
            f64::from(u8::from(own)),
            change.timestamp.unwrap_or(f64::NAN),
            count(attempts),
            lease(&change.lease),
            change.delivered.len() as f64,
        ]);
    }
}

/// `None` if the answer leaves the recipient out.
fn said(saying: f64, code: f64, message: &str) -> Option<Said> {
    let reply = || Reply::new(if (0.0..=999.0).contains(&code) { code as u16 } else { 450 }, message);
    const NOTHING: u32 = Saying::Nothing as u32;
    const REPLY: u32 = Saying::Reply as u32;
    const TRANSIENT: u32 = Saying::Transient as u32;
    const PERMANENT: u32 = Saying::Permanent as u32;
    const STRANGE: u32 = Saying::Strange as u32;
    match saying as u32 {
        NOTHING => Some(Said::Nothing),
        REPLY => Some(Said::Reply(reply())),
        TRANSIENT => Some(Said::Transient(reply())),
        PERMANENT => Some(Said::Permanent(reply())),
        STRANGE => Some(Said::Strange),
        _ => None,
    }
}

fn result(result: f64) -> Input {
    const CHANGED: u32 = Result::Changed as u32;
    const UNCHANGED: u32 = Result::Unchanged as u32;
    const STORED: u32 = Result::Stored as u32;
    const GONE: u32 = Result::Gone as u32;
    const FAILED: u32 = Result::Failed as u32;
    const UNKNOWN: u32 = Result::Unknown as u32;
    match result as u32 {
        CHANGED => Input::Changed(true),
        UNCHANGED => Input::Changed(false),
        STORED => Input::Stored,
        GONE => Input::Gone,
        FAILED => Input::Failed,
        UNKNOWN => Input::Unknown,
        _ => Input::Unreadable,
    }
}
