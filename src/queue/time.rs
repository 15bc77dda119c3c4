//! The clocks and the timer of a queue.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time, draws numbers and waits.
pub trait Timer {
    /// Milliseconds since the epoch, on a clock that may be set.
    fn wall(&self) -> f64;

    /// Milliseconds on a clock that never goes back.
    fn steady(&self) -> f64;

    /// A number from 0 to 1.
    fn random(&self) -> f64;

    /// Is ready when the time has passed. Dropping the future ends the timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;
}

/// The clocks of the operating system.
#[derive(Clone, Debug)]
pub struct SystemTimer(Instant);

impl Default for SystemTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Timer for SystemTimer {
    fn wall(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
    }

    fn steady(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }

    fn random(&self) -> f64 {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_or(0.5, |()| f64::from(byte[0]) / 255.0)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        crate::clock::sleep(time)
    }
}
