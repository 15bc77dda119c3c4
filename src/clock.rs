//! The clock that hosts of Rust programs share.

#[cfg(target_arch = "wasm32")]
pub(crate) use gloo_timers::future::sleep;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn sleep(time: std::time::Duration) -> impl Future<Output = ()> + Send {
    // What comes after a hundred years is no time of a clock any more.
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(3_155_760_000);
    futures_timer::Delay::new(time.min(LONGEST))
}

/// Milliseconds on a clock that never goes back.
#[cfg(target_arch = "wasm32")]
pub(crate) fn now() -> f64 {
    js_sys::Date::now()
}

/// Milliseconds on a clock that never goes back.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn now() -> f64 {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed().as_secs_f64() * 1000.0
}
