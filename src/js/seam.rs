//! The methods of `pkg/seam/`, none of which throws.
//!
//! Those that may run foreign code answer with a number, one of the constants below, and leave the
//! rest in the seam, where it is taken before anything else runs.

use alloc::string::String;
use alloc::vec::Vec;
use js_sys::{Array, JsString, Promise};
use wasm_bindgen::prelude::*;

use crate::error::{Error, Got, Invalid};

/// There is nothing; or, of a commit, a check failed.
pub(crate) const NOTHING: u32 = 0;
/// There is something; or the commit was made.
pub(crate) const DONE: u32 = 1;
/// The host threw.
pub(crate) const THREW: u32 = 2;
/// The host returned a promise.
pub(crate) const PENDING: u32 = 3;
/// There is a meta record that has more than a timestamp and a number of attempts.
pub(crate) const DONE_WITH_MORE: u32 = 4;
/// There is something that cannot be read as what it should be.
pub(crate) const STRANGE: u32 = 5;

#[wasm_bindgen]
extern "C" {
    /// One for each storage; see `pkg/seam/`.
    #[derive(Clone, Debug)]
    pub type Seam;

    // ---- the host ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn read(this: &Seam, meta: bool, id: &JsString) -> u32;
    #[wasm_bindgen(method, structural, js_name = readAnswer)]
    pub(crate) fn read_answer(this: &Seam, meta: bool, answer: &JsValue) -> u32;
    #[wasm_bindgen(method, structural, js_name = checkAbsent)]
    pub(crate) fn check_absent(this: &Seam, meta: bool, id: &JsString);
    #[wasm_bindgen(method, structural, js_name = checkVersion)]
    pub(crate) fn check_version(this: &Seam, id: &JsString, version: &JsValue);
    #[wasm_bindgen(method, structural, js_name = putEnvelope)]
    pub(crate) fn put_envelope(this: &Seam, id: &JsString, envelope: &JsValue);
    #[wasm_bindgen(method, structural, js_name = putMeta)]
    pub(crate) fn put_meta(this: &Seam, id: &JsString);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn delete(this: &Seam, meta: bool, id: &JsString);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn commit(this: &Seam) -> u32;
    #[wasm_bindgen(method, structural, js_name = commitAnswer)]
    pub(crate) fn commit_answer(this: &Seam, answer: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn page(this: &Seam, meta: bool, cursor: &JsValue, limit: u32) -> u32;
    #[wasm_bindgen(method, structural, js_name = pageAnswer)]
    pub(crate) fn page_answer(this: &Seam, answer: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn sizes(this: &Seam) -> u32;
    #[wasm_bindgen(method, structural, js_name = sizesAnswer)]
    pub(crate) fn sizes_answer(this: &Seam, answer: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn close(this: &Seam) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn sleep(this: &Seam, milliseconds: f64) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn wake(this: &Seam, timer: &JsValue);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn now(this: &Seam) -> f64;

    // ---- what the last call has left ----

    #[wasm_bindgen(method, structural, js_name = takeThrown)]
    pub(crate) fn take_thrown(this: &Seam) -> JsValue;
    #[wasm_bindgen(method, structural, js_name = takePromise)]
    pub(crate) fn take_promise(this: &Seam) -> Promise;
    #[wasm_bindgen(method, structural, js_name = takeValue)]
    pub(crate) fn take_value(this: &Seam) -> JsValue;
    #[wasm_bindgen(method, structural, js_name = takeVersion)]
    pub(crate) fn take_version(this: &Seam) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn first(this: &Seam) -> f64;
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn second(this: &Seam) -> f64;

    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn part(this: &Seam) -> f64;

    // ---- a meta record, read ----

    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn format(this: &Seam) -> f64;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn delivered(this: &Seam) -> Option<Vec<f64>>;
    #[wasm_bindgen(method, structural, getter, js_name = leaseUntil)]
    pub(crate) fn lease_until(this: &Seam) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = leaseOwner)]
    pub(crate) fn lease_owner(this: &Seam) -> Option<String>;
    #[wasm_bindgen(method, structural, getter, js_name = leaseKind)]
    pub(crate) fn lease_kind(this: &Seam) -> u32;

    // ---- a meta record, written ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn meta(this: &Seam, timestamp: f64, attempts: u32);
    #[wasm_bindgen(method, structural, js_name = metaDelivered)]
    pub(crate) fn meta_delivered(this: &Seam, indexes: &[u32]);
    #[wasm_bindgen(method, structural, js_name = metaLease)]
    pub(crate) fn meta_lease(this: &Seam, until: f64, owner: &str);
    #[wasm_bindgen(method, structural, js_name = metaVersion)]
    pub(crate) fn meta_version(this: &Seam) -> JsValue;

    // ---- a page ----

    #[wasm_bindgen(method, structural, js_name = pageIds)]
    pub(crate) fn page_ids(this: &Seam, entries: &JsValue) -> String;
    #[wasm_bindgen(method, structural, js_name = entryKey)]
    pub(crate) fn entry_key(this: &Seam, entries: &JsValue, index: u32) -> JsString;
    #[wasm_bindgen(method, structural, js_name = entryMeta)]
    pub(crate) fn entry_meta(this: &Seam, entries: &JsValue, index: u32) -> u32;

    // ---- values of a caller ----

    #[wasm_bindgen(method, structural, js_name = idDigits)]
    pub(crate) fn id_digits(this: &Seam, value: &JsValue) -> Option<String>;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn timestamp(this: &Seam, value: &JsValue) -> f64;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn numbers(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural, js_name = takeNumbers)]
    pub(crate) fn take_numbers(this: &Seam) -> Vec<f64>;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn items(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn property(this: &Seam, value: &JsValue, name: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn unpack(this: &Seam, envelope: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn count(this: &Seam, envelope: &JsValue) -> f64;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn strings(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn pairs(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn joined(this: &Seam) -> Option<String>;
    #[wasm_bindgen(method, structural, js_name = textAt)]
    pub(crate) fn text_at(this: &Seam, index: u32) -> JsValue;
    #[wasm_bindgen(method, structural, js_name = wellFormed)]
    pub(crate) fn well_formed(this: &Seam, text: &JsValue) -> bool;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn bytes(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn strand(this: &Seam, client: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn kind(this: &Seam, value: &JsValue) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn children(this: &Seam, container: &JsValue, kind: u32) -> u32;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn container(this: &Seam, kind: u32) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn insert(this: &Seam, container: &JsValue, kind: u32, key: &JsValue, value: &JsValue);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn pick(this: &Seam, recipients: &JsValue, left_out: &[u32]) -> JsValue;

    // ---- values for a caller ----

    #[wasm_bindgen(method, structural)]
    pub(crate) fn index(this: &Seam, index: u32);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn queued(this: &Seam, envelope: &JsValue, attempts: u32) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn row(this: &Seam, timestamp: f64, id: &JsString);
    #[wasm_bindgen(method, structural, js_name = takeRows)]
    pub(crate) fn take_rows(this: &Seam) -> Array;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn info(this: &Seam, size: f64, meta_size: f64) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn findings(this: &Seam, orphan_envelopes: Array, orphan_meta: Array, corrupt: Array) -> JsValue;

    // ---- errors ----

    /// Makes an error that is taken as the result of the call, unless its name grows before that.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn refuse(this: &Seam, range: bool, name: &str, expected: &str, value: &JsValue);
    /// What was refused is within this: another name or index before what is there.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn within(this: &Seam, key: &JsValue);
    #[wasm_bindgen(method, structural)]
    pub(crate) fn refused(this: &Seam) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn failure(
        this: &Seam,
        code: &str,
        reason: &str,
        id: &JsValue,
        has_cause: bool,
        cause: &JsValue,
    ) -> JsValue;
    #[wasm_bindgen(method, structural)]
    pub(crate) fn fail(this: &Seam, error: &JsValue);

    // ---- an envelope that was unpacked: a fresh plain object ----

    #[derive(Clone, Debug)]
    pub(crate) type Fields;

    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn sender(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn recipients(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, setter)]
    pub(crate) fn set_recipients(this: &Fields, value: &JsValue);
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn headers(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, setter)]
    pub(crate) fn set_headers(this: &Fields, value: &JsValue);
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn message(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, setter)]
    pub(crate) fn set_message(this: &Fields, value: &JsValue);
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn client(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, setter)]
    pub(crate) fn set_client(this: &Fields, value: &JsValue);
    #[wasm_bindgen(method, structural, getter)]
    pub(crate) fn receiver(this: &Fields) -> JsValue;
    #[wasm_bindgen(method, structural, getter, js_name = timestamp)]
    pub(crate) fn received(this: &Fields) -> JsValue;
}

/// Why a call of JavaScript's ends before the core has heard of it.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The seam has what was refused.
    Argument,
    /// The caller's own code threw this.
    Thrown(JsValue),
    /// The core's error.
    Core(Error<JsValue>),
    /// A string that no message can have as its id.
    NoId(JsValue),
}

impl From<Error<JsValue>> for Refusal {
    fn from(error: Error<JsValue>) -> Self {
        Self::Core(error)
    }
}

impl Seam {
    /// Refuses a value of the wrong type.
    pub(crate) fn wrong_type(&self, name: &str, expected: &str, value: &JsValue) -> Refusal {
        self.refuse(false, name, expected, value);
        Refusal::Argument
    }

    /// Refuses a number that is out of range.
    pub(crate) fn out_of_range(&self, name: &str, expected: &str, value: &JsValue) -> Refusal {
        self.refuse(true, name, expected, value);
        Refusal::Argument
    }

    /// Passes on what the caller's code threw.
    pub(crate) fn threw(&self) -> Refusal {
        Refusal::Thrown(self.take_thrown())
    }

    /// The JavaScript error for a call that failed.
    pub(crate) fn error(&self, refusal: Refusal) -> JsValue {
        let error = match refusal {
            Refusal::Argument => return self.refused(),
            Refusal::Thrown(error) => return error,
            Refusal::NoId(text) => {
                return self.failure("no-such-message", "", &text, false, &JsValue::UNDEFINED);
            }
            Refusal::Core(Error::Invalid(invalid)) => {
                let Invalid { argument, index, expected, got, .. } = *invalid;
                let (range, value) = match got {
                    Got::Number(number) => (true, number.into()),
                    Got::Text(text) => (false, text.into()),
                };
                self.refuse(range, if index.is_some() { "" } else { argument }, expected, &value);
                if let Some(index) = index {
                    self.within(&(index as u32).into());
                    self.within(&argument.into());
                }
                return self.refused();
            }
            Refusal::Core(error) => error,
        };
        let mut buffer = [0; 32];
        let id = error.id().map(|id| JsValue::from_str(id.encode(&mut buffer))).unwrap_or_default();
        let (has_cause, cause) = match &error {
            Error::Host(cause) | Error::UnknownOutcome { source: Some(cause), .. } => (true, cause.clone()),
            _ => (false, JsValue::UNDEFINED),
        };
        self.failure(error.code(), error.reason(), &id, has_cause, &cause)
    }
}
