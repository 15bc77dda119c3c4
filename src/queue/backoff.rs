//! When a message is tried again, and when it is given up.

use std::time::Duration;

use crate::millis;
use crate::timestamp::Timestamp;

/// What follows an attempt that left recipients waiting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Delay {
    /// Another attempt after so many milliseconds.
    After(f64),
    /// No other attempt.
    GiveUp,
}

const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 60.0 * MINUTE;
/// The first waits; every later one is the longest.
const FIRST: [f64; 6] = [MINUTE, 5.0 * MINUTE, 15.0 * MINUTE, 30.0 * MINUTE, HOUR, 2.0 * HOUR];
const LONGEST: f64 = 4.0 * HOUR;
/// Nobody is given up before that time has passed since the first attempt,
const GIVE_UP_AFTER: f64 = 120.0 * HOUR;
/// and so many attempts were made that were due,
const FEWEST: u32 = 6;
/// nor by an attempt that comes later than that: the network may have been away, or a clock be wrong.
const LATE: f64 = LONGEST;
/// A message that was attempted waits no longer than this by what a queue decides itself, in milliseconds: who defers may
/// ask to be left alone for a day, and clocks differ.
pub(super) const LONGEST_WAIT: f64 = 25.0 * HOUR;
/// By how much a wait is made longer or shorter, as a part of it, so that what failed together does
/// not come back together.
const JITTER: f64 = 0.1;

/// No wait is shorter: an answer of 0 means soon, not at once and for ever.
const SHORTEST: f64 = 1.0;
/// No wait is longer than a hundred years, which keeps every sum a finite one.
const ENDLESS: f64 = 876_600.0 * HOUR;

/// How long somebody was patient with a message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Patience {
    /// When the first attempt was made.
    pub since: Timestamp,
    /// How many attempts were made because they were due, this one included.
    pub scheduled: u32,
    /// How often delivery was attempted for whatever reason, this time included.
    pub attempts: u32,
    /// For how many milliseconds this attempt had been due when it began, less
    pub(super) late: f64,
    /// those for which the queue's own limits let it wait.
    pub(super) waited: f64,
}

impl Delay {
    /// What a queue does unless it is told otherwise, after
    /// [RFC 5321, section 4.5.4.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.4.1): tries
    /// again after a minute, then after longer and longer waits of up to four hours, and gives up
    /// when five days have passed since the first attempt and six attempts were made that were due.
    ///
    /// `now` is the time, `random` a number from 0 to 1.
    pub(super) fn usual(patience: Patience, now: f64, random: f64) -> Self {
        let Patience { since, scheduled, late, waited, .. } = patience;
        // Nobody is given up who would not be had the attempt come when it was due.
        if now - waited - since.as_millis() >= GIVE_UP_AFTER && scheduled >= FEWEST && late <= LATE {
            return Self::GiveUp;
        }
        Self::After(wait_after(scheduled, random))
    }

    /// What a caller's function has answered, `None` standing for giving up.
    pub(super) fn answered(wait: Option<Duration>) -> Self {
        wait.map_or(Self::GiveUp, |wait| Self::After(millis::of(wait).clamp(SHORTEST, ENDLESS).round()))
    }
}

/// For how many whole milliseconds to wait after so many tries, whatever was tried.
pub(super) fn wait_after(tries: u32, random: f64) -> f64 {
    let number = usize::try_from(tries.max(1)).unwrap_or(usize::MAX).saturating_sub(1);
    let wait = FIRST.get(number).copied().unwrap_or(LONGEST);
    let spread = if random.is_finite() { (2.0 * random.clamp(0.0, 1.0) - 1.0) * JITTER } else { 0.0 };
    (wait * (1.0 + spread)).round()
}

/// Whether so many tries, with those waits, have taken as long as anybody is patient.
pub(super) fn is_long_enough(tries: u32) -> bool {
    let waits = u32::try_from(FIRST.len()).unwrap_or(u32::MAX);
    f64::from(tries.saturating_sub(waits)) * LONGEST >= GIVE_UP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits of a message whose every attempt is made when it is due.
    fn waits(random: f64) -> Vec<f64> {
        let mut now = 0.0;
        let all = (1..).map_while(|scheduled| {
            let patience = Patience { scheduled, attempts: scheduled, ..Patience::default() };
            let Delay::After(wait) = Delay::usual(patience, now, random) else { return None };
            now += wait;
            Some(wait)
        });
        all.collect()
    }

    #[test]
    fn the_first_waits_are_short_and_no_later_one_is_longer_than_a_few_hours() {
        let waits = waits(0.5);
        assert_eq!(waits[0], 60_000.0);
        assert!(waits.iter().take_while(|wait| **wait < 3_600_000.0).count() >= 2);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(waits.iter().all(|wait| *wait <= 4.0 * 3_600_000.0));
    }

    #[test]
    fn a_message_is_given_up_five_days_after_its_first_attempt_whatever_the_jitter() {
        for random in [0.0, 0.5, 1.0] {
            let days = waits(random).iter().sum::<f64>() / 86_400_000.0;
            assert!((5.0..=5.2).contains(&days), "{days}");
        }
    }

    #[test]
    fn neither_time_alone_nor_attempts_alone_nor_an_attempt_that_comes_late_give_up() {
        let day = 24.0 * HOUR;
        let patience = |scheduled, late| Patience { scheduled, late, ..Patience::default() };
        for (now, scheduled, late, gives_up) in [
            (5.0 * day, 6, 0.0, true),
            (5.0 * day, 5, 0.0, false),
            (1.0 * day, 1_000, 0.0, false),
            (12.0 * day, 6, 7.0 * day, false),
            (-day, 6, 0.0, false),
        ] {
            let delay = Delay::usual(patience(scheduled, late), now, 0.5);
            assert_eq!(delay == Delay::GiveUp, gives_up, "{now} {scheduled} {late}");
        }
    }

    #[test]
    fn for_so_long_as_an_attempt_waits_for_limits_of_the_queue_no_patience_ends() {
        let now = 5.0 * 24.0 * HOUR;
        for (waited, gives_up) in [(0.0, true), (MINUTE, false)] {
            let patience = Patience { scheduled: 6, waited, ..Patience::default() };
            assert_eq!(Delay::usual(patience, now, 0.5) == Delay::GiveUp, gives_up);
            assert_eq!(Delay::usual(patience, now + waited, 0.5), Delay::GiveUp);
        }
    }

    #[test]
    fn no_randomness_makes_a_wait_odd() {
        for random in [f64::NAN, f64::INFINITY, -7.0, 7.0] {
            assert!((54_000.0..=66_000.0).contains(&wait_after(1, random)));
        }
    }

    #[test]
    fn an_answer_is_waited_for_a_millisecond_at_least_and_a_hundred_years_at_most() {
        assert_eq!(Delay::answered(None), Delay::GiveUp);
        assert_eq!(Delay::answered(Some(Duration::ZERO)), Delay::After(1.0));
        assert_eq!(Delay::answered(Some(Duration::from_millis(1_500))), Delay::After(1_500.0));
        assert_eq!(Delay::answered(Some(Duration::MAX)), Delay::After(ENDLESS));
    }
}
