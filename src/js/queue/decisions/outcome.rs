//! What a relay's answer means for each recipient.

use std::collections::BTreeMap;

use super::reply::Reply;

/// What a relay has said of one recipient, or of all of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Nothing, which means delivered.
    Nothing,
    /// A reply, whose code decides: 2xx delivered, 5xx refused, everything else deferred.
    Reply(Reply),
    /// To be tried again, whatever the code.
    Transient(Reply),
    /// Refused, whatever the code.
    Permanent(Reply),
    /// Something that means nothing.
    Strange,
}

/// A relay's answer to an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One for everybody.
    All(Said),
    /// One for each recipient, by its position in the envelope that the relay was given.
    Each(Vec<Said>),
    /// By address; one stands for every recipient of that address.
    ByAddress(BTreeMap<String, Said>),
}

/// What an attempt came to for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It needs no more attempts.
    Delivered,
    /// It is tried again.
    Deferred,
    /// It is given up.
    Refused,
}

/// What an attempt came to, by the positions of the recipients in the envelope that the relay was
/// given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    places: Vec<Place>,
    replies: Replies,
    /// What was wrong with the answer, if something was. It was taken to mean "not now".
    pub wrong: Option<&'static str>,
    /// For how many milliseconds those who defer asked to be left alone.
    rest: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    verdict: Verdict,
    /// Number of its reply; none if there is no such.
    reply: Option<u32>,
}

const LONGEST_REST: f64 = 86_400_000.0;

const MISSING: &str = "4.3.0 the relay's answer leaves out a recipient";
const LENGTH: &str = "4.3.0 the relay's answer has another length than the list of recipients";
const STRANGE: &str = "4.3.0 the relay's answer is no reply";

impl Verdicts {
    /// Room for what is said of so many recipients, one after another.
    #[must_use]
    pub fn new(recipients: usize) -> Self {
        Self { places: Vec::with_capacity(recipients), ..Self::default() }
    }

    /// What an answer means for these recipients.
    #[must_use]
    pub fn of(answer: Answer, recipients: &[String]) -> Self {
        let mut verdicts = Self::new(recipients.len());
        match answer {
            Answer::All(said) => verdicts.all(said, recipients.len()),
            Answer::Each(each) => {
                let count = each.len();
                each.into_iter().for_each(|said| verdicts.say(Some(said)));
                verdicts.end(count, recipients.len());
            }
            Answer::ByAddress(by_address) => {
                for recipient in recipients {
                    verdicts.say(by_address.get(recipient).cloned());
                }
            }
        }
        verdicts
    }

    /// The same is said of everybody.
    pub fn all(&mut self, said: Said, recipients: usize) {
        if let Some(others) = recipients.checked_sub(1) {
            self.say(Some(said));
            let last = self.places.last().copied();
            self.places.extend(std::iter::repeat_n(last, others).flatten());
        }
    }

    /// Something is said of the next recipient; `None` if the answer leaves it out.
    pub fn say(&mut self, said: Option<Said>) {
        let (verdict, reply) = match said {
            Some(Said::Nothing) => (Verdict::Delivered, None),
            Some(Said::Reply(reply)) => (verdict_of(reply.code), Some(reply)),
            Some(Said::Transient(reply)) => (Verdict::Deferred, Some(reply)),
            Some(Said::Permanent(reply)) => (Verdict::Refused, Some(reply)),
            Some(Said::Strange) => return self.not_understood(STRANGE),
            None => return self.not_understood(MISSING),
        };
        let reply = reply.map(|reply| self.replies.number(reply));
        self.places.push(Place { verdict, reply });
    }

    /// The one of whom something was said last asks to be left alone for so many milliseconds. That counts
    /// if it defers, and for a day at most.
    pub fn ask_for_rest(&mut self, milliseconds: f64) {
        if self.places.last().is_some_and(|place| place.verdict == Verdict::Deferred) {
            self.rest = self.rest.max(milliseconds).min(LONGEST_REST);
        }
    }

    /// For how many milliseconds at least nothing is tried again.
    #[must_use]
    pub fn rest(&self) -> f64 {
        self.rest
    }

    /// All was said, of so many by position. With another length nobody knows who is meant.
    pub fn end(&mut self, said: usize, recipients: usize) {
        if said != recipients {
            *self = Self::new(recipients);
            (0..recipients).for_each(|_| self.not_understood(LENGTH));
        }
    }

    fn not_understood(&mut self, wrong: &'static str) {
        self.wrong = wrong.get(6..); // without the status
        let reply = self.replies.number(Reply::new(451, wrong));
        self.places.push(Place { verdict: Verdict::Deferred, reply: Some(reply) });
    }

    /// For how many recipients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no recipient.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What it is for the recipient at `place`.
    #[must_use]
    pub fn verdict(&self, place: usize) -> Option<Verdict> {
        self.places.get(place).map(|place| place.verdict)
    }

    /// The number of the reply to the recipient at `place`, if there was one.
    #[must_use]
    pub fn reply_number(&self, place: usize) -> Option<u32> {
        self.places.get(place)?.reply
    }

    /// The distinct replies, by their numbers.
    pub fn replies(&self) -> impl ExactSizeIterator<Item = &Reply> {
        self.replies.list.iter().map(|(reply, _)| reply)
    }

    /// The reply of this number.
    #[must_use]
    pub fn reply(&self, number: u32) -> Option<&Reply> {
        self.replies.get(number)
    }

    /// The places that came to `verdict`.
    pub fn places(&self, verdict: Verdict) -> impl Iterator<Item = usize> {
        let of = self.places.iter().enumerate().filter(move |(_, place)| place.verdict == verdict);
        of.map(|(place, _)| place)
    }

    /// The first reply, in the order of the recipients, to those that came to `verdict`.
    #[must_use]
    pub fn first_reply(&self, verdict: Verdict) -> Option<&Reply> {
        let number = self.places.iter().filter(|place| place.verdict == verdict).find_map(|place| place.reply)?;
        self.reply(number)
    }

    /// Whether somebody is to be tried again.
    #[must_use]
    pub fn defers(&self) -> bool {
        self.places.iter().any(|place| place.verdict == Verdict::Deferred)
    }

    /// Gives up whoever would be tried again.
    pub fn give_up(&mut self) {
        for place in &mut self.places {
            if place.verdict == Verdict::Deferred {
                place.verdict = Verdict::Refused;
            }
        }
    }

    /// Tries those again that would be given up with this reply.
    pub fn put_off(&mut self, reply: Option<u32>) {
        for place in &mut self.places {
            if place.verdict == Verdict::Refused && place.reply == reply {
                place.verdict = Verdict::Deferred;
            }
        }
    }
}

fn verdict_of(code: u16) -> Verdict {
    match code {
        200..=299 => Verdict::Delivered,
        500..=599 => Verdict::Refused,
        _ => Verdict::Deferred,
    }
}

/// Distinct replies; a relay may say something else of each of a hundred thousand recipients.
#[derive(Clone, Debug, Default, PartialEq)]
struct Replies {
    /// Each with the number of the next in its row.
    list: Vec<(Reply, Option<u32>)>,
    /// The first of each row.
    rows: Vec<Option<u32>>,
}

impl Replies {
    const ROWS: usize = 256;

    fn get(&self, number: u32) -> Option<&Reply> {
        self.list.get(usize::try_from(number).ok()?).map(|(reply, _)| reply)
    }

    /// The number of a reply, a new one if it is new.
    fn number(&mut self, reply: Reply) -> u32 {
        let hash = reply
            .message
            .bytes()
            .fold(u32::from(reply.code), |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let row = usize::from(hash.wrapping_shr(16).to_le_bytes()[0]) % Self::ROWS;
        if self.rows.is_empty() {
            self.rows.resize(Self::ROWS, None);
        }
        let first = self.rows.get(row).copied().flatten();
        let mut at = first;
        while let Some((number, (known, next))) =
            at.and_then(|number| Some((number, self.list.get(usize::try_from(number).ok()?)?)))
        {
            if *known == reply {
                return number;
            }
            at = *next;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push((reply, first));
        if let Some(row) = self.rows.get_mut(row) {
            *row = Some(number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Deferred, Delivered, Refused};

    fn reply(code: u16) -> Said {
        Said::Reply(Reply::new(code, "x"))
    }

    fn verdicts(answer: Answer, recipients: &[&str]) -> (Vec<Verdict>, bool) {
        let recipients: Vec<String> = recipients.iter().map(|r| (*r).into()).collect();
        let verdicts = Verdicts::of(answer, &recipients);
        assert_eq!(verdicts.len(), recipients.len());
        ((0..recipients.len()).map(|place| verdicts.verdict(place).unwrap()).collect(), verdicts.wrong.is_some())
    }

    #[test]
    fn the_class_of_a_code_decides_and_what_is_no_class_of_smtp_is_deferred() {
        for (code, verdict) in [
            (200, Delivered),
            (250, Delivered),
            (299, Delivered),
            (550, Refused),
            (599, Refused),
            (450, Deferred),
            (354, Deferred),
            (0, Deferred),
            (100, Deferred),
            (600, Deferred),
        ] {
            assert_eq!(verdicts(Answer::All(reply(code)), &["a"]), (vec![verdict], false), "{code}");
        }
    }

    #[test]
    fn the_longest_rest_that_somebody_who_defers_asks_for_counts_for_a_day_at_most() {
        let mut verdicts = Verdicts::new(4);
        for (code, asked, rest) in [
            (250, 9_000.0, 0.0),
            (450, f64::NAN, 0.0),
            (450, 5_000.0, 5_000.0),
            (451, 4_000.0, 5_000.0),
            (452, f64::INFINITY, 86_400_000.0),
        ] {
            verdicts.say(Some(reply(code)));
            verdicts.ask_for_rest(asked);
            assert_eq!(verdicts.rest(), rest, "{code}");
        }
    }

    #[test]
    fn the_kind_of_an_error_decides_before_its_code() {
        let all = |said| verdicts(Answer::All(said), &["a", "b"]).0;
        assert_eq!(all(Said::Transient(Reply::new(550, "x"))), [Deferred, Deferred]);
        assert_eq!(all(Said::Permanent(Reply::new(450, "x"))), [Refused, Refused]);
        assert_eq!(all(Said::Nothing), [Delivered, Delivered]);
    }

    #[test]
    fn what_means_nothing_is_deferred_and_reported() {
        assert_eq!(verdicts(Answer::All(Said::Strange), &["a"]), (vec![Deferred], true));
        let each = Answer::Each(vec![reply(250), Said::Strange, reply(550)]);
        assert_eq!(verdicts(each, &["a", "b", "c"]), (vec![Delivered, Deferred, Refused], true));
    }

    #[test]
    fn a_wrong_length_defers_everybody_since_nobody_knows_who_is_meant() {
        for count in [0, 1, 3] {
            let each = Answer::Each(vec![reply(250); count]);
            assert_eq!(verdicts(each, &["a", "b"]), (vec![Deferred, Deferred], true));
        }
    }

    #[test]
    fn an_address_stands_for_every_recipient_of_it_and_one_left_out_is_deferred() {
        let answer =
            Answer::ByAddress([("a", 250), ("b", 550), ("z", 250)].map(|(a, code)| (a.into(), reply(code))).into());
        assert_eq!(verdicts(answer.clone(), &["a", "b", "a"]), (vec![Delivered, Refused, Delivered], false));
        assert_eq!(verdicts(answer, &["a", "c"]), (vec![Delivered, Deferred], true));
    }

    #[test]
    fn equal_replies_have_one_number_however_many_there_are() {
        let mut verdicts = Verdicts::new(0);
        for number in 0..3_000 {
            verdicts.say(Some(Said::Reply(Reply::new(550, format!("{}", number % 1_000)))));
        }
        assert_eq!(verdicts.replies().len(), 1_000);
        for place in 0..3_000 {
            let reply = verdicts.reply(verdicts.reply_number(place).unwrap()).unwrap();
            assert_eq!(reply.message, format!("{}", place % 1_000));
        }
    }

    #[test]
    fn giving_up_leaves_what_was_delivered_and_putting_off_takes_back_one_reply_alone() {
        let each = Answer::Each(vec![reply(250), Said::Reply(Reply::new(450, "later")), reply(550)]);
        let mut verdicts = Verdicts::of(each, &["a".into(), "b".into(), "c".into()]);
        verdicts.give_up();
        assert_eq!(verdicts.places(Refused).collect::<Vec<_>>(), [1, 2]);
        verdicts.put_off(verdicts.reply_number(2));
        assert_eq!(verdicts.places(Refused).collect::<Vec<_>>(), [1]);
        assert_eq!(verdicts.places(Deferred).collect::<Vec<_>>(), [2]);
        assert_eq!(verdicts.places(Delivered).collect::<Vec<_>>(), [0]);
    }
}
