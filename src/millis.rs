//! Milliseconds, the unit of timestamps and of JavaScript, as lengths of time.

use std::time::{Duration, TryFromFloatSecsError};

/// The length of time in milliseconds.
pub(crate) fn of(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// So many milliseconds; for ever where no length of time has that number.
pub(crate) fn duration(milliseconds: f64) -> Duration {
    checked(milliseconds).unwrap_or(Duration::MAX)
}

/// The same, with an error where no length of time has that number.
pub(crate) fn checked(milliseconds: f64) -> Result<Duration, TryFromFloatSecsError> {
    Duration::try_from_secs_f64(milliseconds / 1000.0)
}
