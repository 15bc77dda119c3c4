//! When a message is tried again, and when it is given up.

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
const GIVE_UP_AFTER: f64 = 120.0 * HOUR;
/// By how much a wait is made longer or shorter, as a part of it, so that what failed together does
/// not come back together.
const JITTER: f64 = 0.1;

/// No wait is shorter: an answer of 0 means soon, not at once and for ever.
const SHORTEST: f64 = 1.0;
/// No wait is longer than a hundred years, which keeps every sum a finite one.
const ENDLESS: f64 = 876_600.0 * HOUR;

impl Delay {
    /// What a queue does unless it is told otherwise, after
    /// [RFC 5321, section 4.5.4.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.4.1): tries
    /// again after a minute, then after longer and longer waits of up to four hours, and gives up
    /// when the waits have come to five days, which the 36th attempt ends.
    ///
    /// `attempts` counts those made, `random` is a number from 0 to 1.
    pub(super) fn usual(attempts: u32, random: f64) -> Self {
        let made = usize::try_from(attempts.max(1)).unwrap_or(usize::MAX);
        let wait = |number: usize| FIRST.get(number).copied().unwrap_or(LONGEST);
        let early: f64 = FIRST.iter().take(made).sum();
        let late = f64::from(u32::try_from(made.saturating_sub(FIRST.len())).unwrap_or(u32::MAX)) * LONGEST;
        if early + late > GIVE_UP_AFTER {
            return Self::GiveUp;
        }
        let spread = if random.is_finite() { (2.0 * random.clamp(0.0, 1.0) - 1.0) * JITTER } else { 0.0 };
        Self::After(wait(made.saturating_sub(1)) * (1.0 + spread))
    }

    /// What a caller's function has answered, `None` standing for giving up. Nothing if that is no
    /// time to wait: not a number, negative or infinite.
    pub(super) fn answered(milliseconds: Option<f64>) -> Option<Self> {
        match milliseconds {
            None => Some(Self::GiveUp),
            Some(wait) if wait.is_finite() && wait >= 0.0 => Some(Self::After(wait.clamp(SHORTEST, ENDLESS))),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(random: f64) -> Vec<f64> {
        let all = (1..).map_while(|attempts| match Delay::usual(attempts, random) {
            Delay::After(wait) => Some(wait),
            Delay::GiveUp => None,
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
    fn a_message_is_given_up_after_four_to_five_days_whatever_the_jitter() {
        let days = |random| waits(random).iter().sum::<f64>() / 86_400_000.0;
        assert!((4.5..=5.0).contains(&days(0.5)), "{}", days(0.5));
        assert!(days(0.0) >= 4.0 && days(1.0) <= 5.5, "{} to {}", days(0.0), days(1.0));
        assert_eq!(waits(0.5).len(), 35);
        assert_eq!(Delay::usual(u32::MAX, 0.5), Delay::GiveUp);
    }

    #[test]
    fn no_randomness_makes_a_wait_odd() {
        for random in [f64::NAN, f64::INFINITY, -7.0, 7.0] {
            let Delay::After(wait) = Delay::usual(1, random) else { panic!("given up") };
            assert!((54_000.0..=66_000.0).contains(&wait));
        }
    }

    #[test]
    fn an_answer_that_is_no_time_is_none() {
        for bad in [f64::NAN, -1.0, f64::INFINITY, f64::NEG_INFINITY, -f64::MIN_POSITIVE] {
            assert_eq!(Delay::answered(Some(bad)), None, "{bad}");
        }
        assert_eq!(Delay::answered(None), Some(Delay::GiveUp));
        assert_eq!(Delay::answered(Some(0.0)), Some(Delay::After(1.0)));
        assert_eq!(Delay::answered(Some(f64::MAX)), Some(Delay::After(ENDLESS)));
    }
}
