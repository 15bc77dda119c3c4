//! The methods of `pkg/seam/`, none of which throws.
//!
//! Those that may run foreign code answer with a number, one of the constants below, and leave the
//! rest in the frame or in the slot of the call, where it is taken before anything else runs.

use wasm_bindgen::prelude::*;

use super::host::Thrown;
use crate::error::{Error, Got, Invalid};

/// There is nothing; or, of a commit, a check failed.
pub(crate) const NOTHING: u32 = 0;
/// There is something; or the commit was made.
pub(crate) const DONE: u32 = 1;
/// The host threw.
pub(crate) const THREW: u32 = 2;
/// The host takes its time.
pub(crate) const PENDING: u32 = 3;
/// There is a meta record that has more than a timestamp and a number of attempts, or a page that
/// is not the last one.
pub(crate) const DONE_WITH_MORE: u32 = 4;
/// There is something that cannot be read as what it should be.
pub(crate) const STRANGE: u32 = 5;
/// The host threw, and does not know whether the commit was made.
pub(crate) const THREW_UNKNOWN: u32 = 6;

// What a check or a write is of, in any combination; see `pkg/seam/status.js`.
/// The meta record; else the envelope.
pub(crate) const META: u32 = 1;
/// A write puts what it describes, or the envelope in the slot; else it deletes. A check is for the record that it
/// describes; else for nothing there.
pub(crate) const PUT: u32 = 2;
/// A write is made only where the meta record is as it was read.
pub(crate) const AS_READ: u32 = 4;
/// The batch is complete with this write, so that it is committed.
pub(crate) const LAST: u32 = 8;

#[wasm_bindgen]
extern "C" {
    /// One for each storage; see `pkg/seam/`.
    #[derive(Clone, Debug)]
    pub type Seam;

    /// An answer that a host takes its time for, or a timer.
    #[derive(Debug)]
    pub(crate) type Pending;

    // ---- the host; each speaks of the id that was named last ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn named(this: &Seam);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn read(this: &Seam, meta: bool) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn check(this: &Seam, what: u32, timestamp: f64, attempts: u32);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn write(this: &Seam, what: u32, timestamp: f64, attempts: u32) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn page(this: &Seam, meta: bool, first: bool, limit: u32) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn sizes(this: &Seam) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn close(this: &Seam) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn now(this: &Seam) -> f64;
    #[wasm_bindgen(method, structural, js_name = takeThrown)]
    pub(crate) fn take_thrown(this: &Seam) -> JsValue;

    // ---- waiting ----

    #[wasm_bindgen(method, structural, js_name = takePending)]
    pub(crate) fn take_pending(this: &Seam) -> Pending;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn resume(this: &Seam, pending: &Pending) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn sleep(this: &Seam, milliseconds: f64) -> Pending;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn cancel(this: &Seam, timer: &Pending);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn wake(this: &Seam, call: u32);

    // ---- a meta record, read ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn delivered(this: &Seam) -> Vec<f64>;
    #[wasm_bindgen(method, structural, js_name = leaseOwner)]
    pub(crate) fn lease_owner(this: &Seam) -> Option<String>;
    #[wasm_bindgen(method, structural, js_name = comparesContents)]
    pub(crate) fn compares_contents(this: &Seam) -> bool;

    // ---- more of the meta record that is described next ----

    /// Positions of recipients: those delivered to of the record that is described next, or those that a call returns;
    /// or the entries of a page that it returns.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn places(this: &Seam, places: &[u32]);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn lease(this: &Seam, until: f64, owner: &str);

    // ---- a page ----

    #[wasm_bindgen(method, structural, js_name = pageIds)]
    pub(crate) fn page_ids(this: &Seam) -> Vec<u8>;
    #[wasm_bindgen(method, structural, js_name = pageNumbers)]
    pub(crate) fn page_numbers(this: &Seam) -> Vec<f64>;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn entry(this: &Seam, place: u32);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn stranger(this: &Seam, place: u32) -> String;

    // ---- arguments ----

    /// NaN where the caller gave none.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn number(this: &Seam, index: u32) -> f64;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn owner(this: &Seam, index: u32) -> Option<String>;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn indexes(this: &Seam) -> Vec<u32>;
    /// Of 32 characters each.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn ids(this: &Seam) -> String;

    // ---- results ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn finding(this: &Seam, list: u32, id: &str);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn refuse(this: &Seam, name: &str, index: i32, expected: &str, number: f64);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn fail(this: &Seam, code: &str, reason: &str, has_id: bool, has_cause: bool, cause: &JsValue);
}

impl Seam {
    /// Makes the error of a call that failed.
    pub(crate) fn failed(&self, error: Error<Thrown>) {
        if let Error::Invalid(invalid) = error {
            let Invalid { argument, index, expected, got, .. } = *invalid;
            // Texts are judged before a call begins.
            let number = if let Got::Number(number) = got { number } else { f64::NAN };
            return self.refuse(argument, index.map_or(-1, |index| index as i32), expected, number);
        }
        let (has_cause, cause) = match &error {
            Error::Host(thrown) | Error::UnknownOutcome { source: Some(thrown), .. } => (true, thrown.value.clone()),
            _ => (false, JsValue::UNDEFINED),
        };
        self.fail(error.code(), error.reason(), error.id().is_some(), has_cause, &cause);
    }
}
