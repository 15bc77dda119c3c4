//! Clock and timers of JavaScript.

use std::time::Duration;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::clock;
use crate::queue::Timer;

#[wasm_bindgen]
extern "C" {
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
        clock::now()
    }

    fn random(&self) -> f64 {
        js_sys::Math::random()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        clock::sleep(time)
    }

    async fn yield_now(&self) {
        let turn = soon();
        // It has no error.
        let _ = JsFuture::from(turn).await;
    }
}
