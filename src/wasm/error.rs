//! Errors on their way to JavaScript, and what hosts threw on its way in.

use wasm_bindgen::prelude::*;

use crate::error::{Error, Got, Invalid};

#[wasm_bindgen]
extern "C" {
    /// In the place of a result: what was thrown, or is to be thrown. See `pkg/binding/errors.js`.
    #[wasm_bindgen(js_namespace = binding)]
    #[derive(Clone, Debug)]
    pub type Failed;
    /// Whether it is a host's word that it does not know what came of a commit.
    #[wasm_bindgen(method, getter, js_name = isUnknownOutcome)]
    pub fn is_unknown_outcome(this: &Failed) -> bool;
    /// Whether it is a host's word that a record is larger than it takes.
    #[wasm_bindgen(method, getter, js_name = isTooLarge)]
    pub fn is_too_large(this: &Failed) -> bool;
    /// Whether it is a host's word that there is no room.
    #[wasm_bindgen(method, getter, js_name = isFull)]
    pub fn is_full(this: &Failed) -> bool;

    #[wasm_bindgen(js_namespace = binding)]
    fn failed(code: &str, reason: &str, id: Option<String>, cause: Option<Failed>) -> JsValue;
    #[wasm_bindgen(js_namespace = binding, js_name = refusedText)]
    fn refused_text(name: &str, expected: &str, got: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = binding, js_name = refusedNumber)]
    fn refused_number(name: &str, expected: &str, got: f64) -> JsValue;
}

/// The error of a call of the storage.
pub fn failure(error: Error<Failed>) -> JsValue {
    let (code, reason, id) = (error.code(), error.reason(), error.id().map(|id| id.to_string()));
    match error {
        Error::Invalid(invalid) => refused(&invalid),
        Error::Host(cause) | Error::UnknownOutcome { source: Some(cause), .. } => failed(code, reason, id, Some(cause)),
        _ => failed(code, reason, id, None),
    }
}

/// The error of a host that should have answered at once.
pub fn needs_async() -> JsValue {
    failed("needs-async", "a call of the storage within a dictionary waits for itself", None, None)
}

/// The error of an argument that was refused.
pub fn refused(invalid: &Invalid) -> JsValue {
    match &invalid.got {
        Got::Text(text) => refused_text(&invalid.name(), invalid.expected, text),
        Got::Number(number) => refused_number(&invalid.name(), invalid.expected, *number),
        Got::Time(time) => refused_number(&invalid.name(), invalid.expected, time.as_millis()),
    }
}
