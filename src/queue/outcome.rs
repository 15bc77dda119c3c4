//! What a relay's answer comes to for each recipient.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::{Answer, Verdict};
use super::reply::Reply;
use crate::millis;

/// What an attempt came to for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It needs no more attempts.
    Delivered,
    /// It is tried again.
    Deferred,
    /// It is given up.
    Failed,
}

/// What an attempt came to, by the positions of the recipients in the envelope that the relay was
/// given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    places: Vec<Place>,
    replies: Vec<Arc<Reply>>,
    /// Why the answer was taken to mean "not now", if it was.
    pub(super) unrecognised: Option<&'static str>,
    /// For how many milliseconds those who defer asked to be left alone.
    retry_after: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    status: Status,
    /// Number of its reply; none if there is no such.
    reply: Option<usize>,
}

/// The numbers of the replies so far: a relay may say something else of each recipient, or the same
/// of a hundred thousand.
type Numbers = HashMap<Arc<Reply>, usize>;

const LONGEST_RETRY_AFTER: f64 = 86_400_000.0;

const MISSING: &str = "4.3.0 the relay's answer leaves out a recipient";
const LENGTH: &str = "4.3.0 the relay's answer has another length than the list of recipients";
const UNRECOGNISED: &str = "4.3.0 the relay's answer is no reply";

impl Outcome {
    /// What an answer means for so many recipients, whose addresses are asked for if they matter.
    pub(super) fn of(answer: Answer, count: usize, addresses: impl FnOnce() -> Vec<String>) -> Self {
        let (mut outcome, mut numbers) = (Self::default(), Numbers::new());
        match answer {
            Answer::All(verdict) => outcome.fill(verdict, count),
            Answer::Each(each) if each.len() == count => {
                each.into_iter().for_each(|verdict| outcome.push(verdict, &mut numbers));
            }
            // Nobody knows who is meant.
            Answer::Each(_) => {
                outcome.unrecognised = Some(reason(LENGTH));
                outcome.fill(Verdict::Deferred(Reply::new(451, LENGTH)), count);
            }
            Answer::ByAddress(by_address) => {
                for address in addresses() {
                    let verdict = by_address.get(&address).cloned().unwrap_or(Verdict::Missing);
                    outcome.push(verdict, &mut numbers);
                }
            }
        }
        outcome
    }

    fn fill(&mut self, verdict: Verdict, count: usize) {
        if count > 0 {
            self.push(verdict, &mut Numbers::new());
            let first = self.places.first().copied();
            self.places.extend(std::iter::repeat_n(first, count.saturating_sub(1)).flatten());
        }
    }

    fn push(&mut self, verdict: Verdict, numbers: &mut Numbers) {
        let (status, reply) = match verdict {
            Verdict::Delivered(reply) => (Status::Delivered, reply),
            Verdict::Deferred(reply) => (Status::Deferred, Some(reply)),
            Verdict::Failed(reply) => (Status::Failed, Some(reply)),
            Verdict::Unrecognised => (Status::Deferred, Some(self.unrecognised(UNRECOGNISED))),
            Verdict::Missing => (Status::Deferred, Some(self.unrecognised(MISSING))),
        };
        let reply = reply.map(|mut reply| {
            reply.retry_after = reply.retry_after.filter(|_| status == Status::Deferred);
            let retry_after = reply.retry_after.unwrap_or_default();
            self.retry_after = self.retry_after.max(millis::of(retry_after)).min(LONGEST_RETRY_AFTER);
            let reply = Arc::new(reply);
            *numbers.entry(reply).or_insert_with_key(|reply| {
                self.replies.push(Arc::clone(reply));
                self.replies.len().saturating_sub(1)
            })
        });
        self.places.push(Place { status, reply });
    }

    fn unrecognised(&mut self, text: &'static str) -> Reply {
        self.unrecognised = Some(reason(text));
        Reply::new(451, text)
    }

    /// For how many milliseconds at least nothing is tried again.
    pub(super) fn retry_after(&self) -> f64 {
        self.retry_after
    }

    /// The number of the reply to the recipient at `place`, if there was one.
    pub(super) fn reply_number(&self, place: usize) -> Option<usize> {
        self.places.get(place)?.reply
    }

    /// The reply to the recipient at `place`, if there was one.
    pub(super) fn reply(&self, place: usize) -> Option<&Arc<Reply>> {
        self.replies.get(self.reply_number(place)?)
    }

    /// The places that came to `status`.
    pub(super) fn places(&self, status: Status) -> impl Iterator<Item = usize> {
        let of = self.places.iter().enumerate().filter(move |(_, place)| place.status == status);
        of.map(|(place, _)| place)
    }

    /// Whether somebody came to `status`.
    pub(super) fn has(&self, status: Status) -> bool {
        self.places(status).next().is_some()
    }

    /// The distinct replies, each with the places that got it.
    pub(super) fn replies(&self) -> Vec<(&Reply, Vec<usize>)> {
        let mut all: Vec<(&Reply, Vec<usize>)> = self.replies.iter().map(|reply| (&**reply, Vec::new())).collect();
        for (place, reply) in self.places.iter().enumerate() {
            if let Some((_, places)) = reply.reply.and_then(|number| all.get_mut(number)) {
                places.push(place);
            }
        }
        all
    }

    /// Gives up whoever would be tried again.
    pub(super) fn give_up(&mut self) {
        for place in &mut self.places {
            if place.status == Status::Deferred {
                place.status = Status::Failed;
            }
        }
    }
}

/// A text without its status.
fn reason(text: &'static str) -> &'static str {
    text.split_once(' ').map_or(text, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use Status::{Deferred, Delivered, Failed};

    fn reply(code: u16) -> Verdict {
        Reply::new(code, "x").into()
    }

    fn of(answer: impl Into<Answer>, recipients: &[&str]) -> Outcome {
        let addresses = || recipients.iter().map(|address| (*address).to_owned()).collect();
        Outcome::of(answer.into(), recipients.len(), addresses)
    }

    fn statuses(answer: impl Into<Answer>, recipients: &[&str]) -> (Vec<Status>, bool) {
        let outcome = of(answer, recipients);
        assert_eq!(outcome.places.len(), recipients.len());
        (outcome.places.iter().map(|place| place.status).collect(), outcome.unrecognised.is_some())
    }

    #[test]
    fn the_class_of_a_code_decides_and_what_is_no_class_of_smtp_is_deferred() {
        for (code, status) in [
            (200, Delivered),
            (250, Delivered),
            (299, Delivered),
            (550, Failed),
            (599, Failed),
            (450, Deferred),
            (354, Deferred),
            (0, Deferred),
            (100, Deferred),
            (600, Deferred),
        ] {
            assert_eq!(statuses(reply(code), &["a"]), (vec![status], false), "{code}");
        }
    }

    #[test]
    fn the_longest_time_that_somebody_who_defers_asks_for_counts_for_a_day_at_most() {
        let asking = |code, asked| Verdict::from(Reply { retry_after: Some(asked), ..Reply::new(code, "x") });
        let (short, long) = (Duration::from_secs(4), Duration::from_secs(5));
        for (each, time) in [
            (vec![asking(250, long)], 0.0),
            (vec![reply(450)], 0.0),
            (vec![asking(450, short), asking(450, long), asking(550, Duration::MAX)], 5_000.0),
            (vec![asking(450, Duration::MAX)], 86_400_000.0),
        ] {
            let recipients = vec!["a"; each.len()];
            assert_eq!(of(Answer::Each(each), &recipients).retry_after(), time);
        }
    }

    #[test]
    fn a_verdict_decides_before_its_code() {
        assert_eq!(statuses(Verdict::Deferred(Reply::new(550, "x")), &["a", "b"]).0, [Deferred, Deferred]);
        assert_eq!(statuses(Verdict::Failed(Reply::new(450, "x")), &["a", "b"]).0, [Failed, Failed]);
        assert_eq!(statuses(Answer::delivered(), &["a", "b"]).0, [Delivered, Delivered]);
    }

    #[test]
    fn what_is_not_recognised_is_deferred_and_reported() {
        assert_eq!(statuses(Verdict::Unrecognised, &["a"]), (vec![Deferred], true));
        let each = Answer::Each(vec![reply(250), Verdict::Unrecognised, reply(550)]);
        assert_eq!(statuses(each, &["a", "b", "c"]), (vec![Delivered, Deferred, Failed], true));
    }

    #[test]
    fn a_wrong_length_defers_everybody_since_nobody_knows_who_is_meant() {
        for count in [0, 1, 3] {
            let each = Answer::Each(vec![reply(250); count]);
            assert_eq!(statuses(each, &["a", "b"]), (vec![Deferred, Deferred], true));
        }
    }

    #[test]
    fn an_address_stands_for_every_recipient_of_it_and_one_left_out_is_deferred() {
        let answer =
            Answer::ByAddress([("a", 250), ("b", 550), ("z", 250)].map(|(a, code)| (a.into(), reply(code))).into());
        assert_eq!(statuses(answer.clone(), &["a", "b", "a"]), (vec![Delivered, Failed, Delivered], false));
        assert_eq!(statuses(answer, &["a", "c"]), (vec![Delivered, Deferred], true));
    }

    #[test]
    fn equal_replies_are_kept_once_however_many_there_are() {
        let each = (0..3_000).map(|number| Reply::new(550, format!("{}", number % 1_000)).into()).collect();
        let outcome = of(Answer::Each(each), &vec!["a"; 3_000]);
        assert_eq!((outcome.replies.len(), outcome.replies().len()), (1_000, 1_000));
        assert_eq!(outcome.replies().first().map(|(_, places)| places.as_slice()), Some(&[0, 1_000, 2_000][..]));
        for place in 0..3_000 {
            assert_eq!(outcome.reply(place).unwrap().message, format!("{}", place % 1_000));
        }
    }

    #[test]
    fn giving_up_leaves_what_was_delivered() {
        let each = Answer::Each(vec![reply(250), Reply::new(450, "later").into(), reply(550)]);
        let mut outcome = of(each, &["a", "b", "c"]);
        outcome.give_up();
        assert_eq!(outcome.places(Failed).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(outcome.places(Delivered).collect::<Vec<_>>(), [0]);
    }
}
