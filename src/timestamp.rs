//! Times of messages.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date;

/// The last millisecond of the year 9999.
const LAST: f64 = 253_402_300_799_999.0;

/// A time of a message: milliseconds since the epoch, as `Date.now()` of JavaScript tells it. A `SystemTime` is one,
/// and so is a number.
///
/// ```
/// use slimta_queue_dict::Timestamp;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let time = Timestamp::from(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// assert_eq!(time, Timestamp::from(1_700_000_000_000.0));
/// assert_eq!(time.to_string(), "2023-11-14T22:13:20.000Z");
/// assert!(SystemTime::from(time) < SystemTime::now());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize), serde(transparent))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Timestamp(#[cfg_attr(feature = "serde", serde(serialize_with = "crate::shapes::number"))] f64);

impl Timestamp {
    /// The number of milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> f64 {
        self.0
    }
}

impl From<f64> for Timestamp {
    fn from(milliseconds: f64) -> Self {
        Self(milliseconds)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(since.as_millis() as f64),
            Err(until) => Self(-(until.duration().as_millis() as f64)),
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// No time is before the epoch, or after the year 9999.
    fn from(Timestamp(milliseconds): Timestamp) -> Self {
        // A cast makes nothing of what is no number.
        let since = Duration::from_millis(milliseconds.clamp(0.0, LAST) as u64);
        UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    /// The time as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) writes it, in UTC. No time is before the epoch,
    /// or after the year 9999.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        date::write_rfc3339(f, self.0.clamp(0.0, LAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_time_is_the_same_time_again_to_the_millisecond() {
        for milliseconds in [0, 1, 1_700_000_000_123, 253_402_300_799_999] {
            let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
            let stamp = Timestamp::from(time + Duration::from_micros(999));
            assert_eq!(stamp.as_millis(), milliseconds as f64);
            assert_eq!(SystemTime::from(stamp), time);
        }
    }

    #[test]
    fn a_time_before_the_epoch_is_a_negative_number() {
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_millis(1_500)).as_millis(), -1_500.0);
    }

    #[test]
    fn a_number_that_no_clock_tells_is_the_first_or_the_last_time() {
        for (number, text) in [
            (f64::NEG_INFINITY, "1970-01-01T00:00:00.000Z"),
            (f64::INFINITY, "9999-12-31T23:59:59.999Z"),
            (-1.0, "1970-01-01T00:00:00.000Z"),
            (1e300, "9999-12-31T23:59:59.999Z"),
            (f64::NAN, "1970-01-01T00:00:00.000Z"),
        ] {
            let stamp = Timestamp::from(number);
            assert_eq!(stamp.to_string(), text);
            assert_eq!(Timestamp::from(SystemTime::from(stamp)).to_string(), text);
        }
    }
}
