//! The clock that hosts of Rust programs share.

use std::future::Future;
use std::time::Duration;

use futures_timer::Delay;

pub(crate) fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
    Delay::new(time)
}

/// Milliseconds on a clock that never goes back.
pub(crate) fn now() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Date::now();
    #[cfg(not(target_arch = "wasm32"))]
    {
        static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed().as_secs_f64() * 1000.0
    }
}
