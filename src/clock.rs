//! The clock of hosts and queues that never goes back, and the timer beside it.

#[cfg(target_family = "wasm")]
pub(crate) use script::{now, sleep};
#[cfg(not(target_family = "wasm"))]
pub(crate) use system::{now, sleep};

#[cfg(target_family = "wasm")]
mod script {
    use std::time::Duration;

    use gloo_timers::future::TimeoutFuture;
    use wasm_bindgen::prelude::*;

    use crate::millis;

    /// The longest time that a timer of JavaScript knows, in milliseconds.
    const LONGEST: f64 = 2_147_483_647.0;

    #[wasm_bindgen]
    extern "C" {
        /// Milliseconds on a clock that never goes back.
        #[wasm_bindgen(js_namespace = performance)]
        pub(crate) fn now() -> f64;
    }

    /// Is ready when the time has passed, or the longest time that a timer knows; never, and without a
    /// timer that keeps a process alive, for all time. It begins when it is first polled, and ends when it
    /// is dropped.
    pub(crate) async fn sleep(time: Duration) {
        if time == Duration::MAX {
            return std::future::pending().await;
        }
        TimeoutFuture::new(millis::of(time).ceil().min(LONGEST) as u32).await;
    }
}

#[cfg(not(target_family = "wasm"))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use crate::millis;

    /// Milliseconds on a clock that never goes back.
    pub(crate) fn now() -> f64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        millis::of(START.elapsed())
    }

    pub(crate) fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        // What comes after a hundred years is no time of a clock any more.
        const LONGEST: Duration = Duration::from_secs(3_155_760_000);
        futures_timer::Delay::new(time.min(LONGEST))
    }
}
