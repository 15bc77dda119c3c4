//! The clocks and the timer of a queue.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::millis;
use crate::send::{MaybeSend, MaybeSync};

/// Tells the time, generates random numbers and waits.
pub trait Timer: MaybeSend + MaybeSync {
    /// Milliseconds since the epoch, on a clock that may be set.
    fn wall(&self) -> f64;

    /// Milliseconds on a clock that never goes back.
    fn steady(&self) -> f64;

    /// A number from 0 to 1.
    fn random(&self) -> f64;

    /// Is ready when the time has passed, or earlier: who waits looks at the clock. The time may
    /// begin at the first poll. Dropping the future ends the timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + MaybeSend;

    /// Is ready when everything else of the program had its turn.
    fn yield_now(&self) -> impl Future<Output = ()> + MaybeSend {
        let mut yielded = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

/// At least so many milliseconds: who is woken too early would only sleep again.
pub(super) fn milliseconds(number: f64) -> Duration {
    millis::duration(number.max(0.0)).saturating_add(Duration::from_micros(1))
}

#[cfg(not(target_family = "wasm"))]
mod system {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use super::Timer;
    use crate::millis;

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
            millis::of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()).floor()
        }

        fn steady(&self) -> f64 {
            millis::of(self.0.elapsed())
        }

        fn random(&self) -> f64 {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_or(0.5, |()| f64::from(byte[0]) / 255.0)
        }

        fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
            crate::clock::sleep(time)
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use system::SystemTimer;

/// The clocks of a queue that is given none. In WebAssembly each is given some.
#[cfg(not(target_family = "wasm"))]
pub(super) type UsualTimer = SystemTimer;
#[cfg(target_family = "wasm")]
pub(super) type UsualTimer = std::convert::Infallible;
