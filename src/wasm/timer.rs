//! Clock and timers of JavaScript.

use std::time::Duration;

use wasm_bindgen::prelude::*;

/// The longest time that a timer of JavaScript knows, in milliseconds.
const LONGEST: u128 = 0x7fff_ffff;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds on a clock that never goes back.
    #[wasm_bindgen(js_namespace = binding)]
    pub fn now() -> f64;
}

/// Is ready when the time has passed, or the longest time that a timer knows. It begins when it is
/// first polled, and ends when it is dropped.
pub async fn sleep(time: Duration) {
    let milliseconds = u32::try_from(time.as_micros().div_ceil(1000).min(LONGEST)).unwrap_or(u32::MAX);
    gloo_timers::future::TimeoutFuture::new(milliseconds).await;
}
