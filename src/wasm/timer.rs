//! Clock and timers of JavaScript.

use std::time::Duration;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::queue::Timer;

/// The longest time that a timer of JavaScript knows, in milliseconds.
const LONGEST: u128 = 0x7fff_ffff;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds on a clock that never goes back.
    #[wasm_bindgen(js_namespace = binding)]
    pub fn now() -> f64;
    /// A `Later` that is there when everything else of the program had its turn.
    #[wasm_bindgen(js_namespace = binding)]
    fn soon() -> js_sys::Promise;
}

/// The clocks and the timer of a queue.
pub struct JsTimer;

impl Timer for JsTimer {
    fn wall(&self) -> f64 {
        js_sys::Date::now()
    }

    fn steady(&self) -> f64 {
        now()
    }

    fn random(&self) -> f64 {
        js_sys::Math::random()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        sleep(time)
    }

    async fn yield_now(&self) {
        let turn = soon();
        // It has no error.
        let _ = JsFuture::from(turn).await;
    }
}

/// Is ready when the time has passed, or the longest time that a timer knows; never, and without a
/// timer that keeps a process alive, for all time. It begins when it is first polled, and ends when it
/// is dropped.
pub async fn sleep(time: Duration) {
    if time == Duration::MAX {
        return std::future::pending().await;
    }
    let milliseconds = u32::try_from(time.as_micros().div_ceil(1000).min(LONGEST)).unwrap_or(u32::MAX);
    gloo_timers::future::TimeoutFuture::new(milliseconds).await;
}
