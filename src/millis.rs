//! Milliseconds, the unit of timestamps and of JavaScript, as lengths of time.

use std::time::Duration;

/// The length of time in milliseconds.
pub(crate) fn of(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// So many milliseconds, as exact as a microsecond; for ever where no length of time has that number.
pub(crate) fn duration(milliseconds: f64) -> Duration {
    checked(milliseconds).unwrap_or(Duration::MAX)
}

/// The same; nothing where no length of time has that number.
pub(crate) fn checked(milliseconds: f64) -> Option<Duration> {
    let microseconds = (milliseconds * 1000.0).round_ties_even();
    // `Duration::try_from_secs_f64` divides numbers of 128 bits, which is half a KiB of a browser's download.
    (0.0..u64::MAX as f64).contains(&microseconds).then(|| Duration::from_micros(microseconds as u64))
}
