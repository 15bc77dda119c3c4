//! The clock that hosts of Rust programs share.

#[cfg(target_arch = "wasm32")]
pub(crate) use gloo_timers::future::sleep;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn sleep(time: std::time::Duration) -> impl Future<Output = ()> + Send {
    futures_timer::Delay::new(time)
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
