//! Messages as JavaScript hands them over. Their bodies never come into wasm memory.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::envelope::JsEnvelope;
use super::meta::to_js;
use crate::message::{Head, format_head, parse_head};
use crate::queue::QueueEnvelope;

/// How many bytes are looked at first; most heads are shorter.
const GLANCE: u32 = 1 << 16;

/// The headers of a message, and how many bytes stand before its body.
#[wasm_bindgen(js_name = parseHead)]
pub fn js_parse_head(message: &Uint8Array) -> Array {
    let mut end = GLANCE;
    loop {
        let is_whole = end >= message.length();
        let mut bytes = message.subarray(0, end).to_vec();
        if !is_whole {
            // A line that is cut, and what it may belong to, is looked at with more of the message.
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1)));
        }
        let Head { headers, length } = parse_head(&bytes);
        if is_whole || length < bytes.len() {
            return Array::of2(&to_js(&headers), &(length as f64).into());
        }
        end = end.saturating_mul(4);
    }
}

/// The head of a message, its empty line included, as text or a `Failed`. The envelope is an inert copy.
#[wasm_bindgen(js_name = formatHead)]
pub fn js_format_head(envelope: JsValue) -> JsValue {
    match JsEnvelope::argument(envelope) {
        Ok(envelope) => format_head(&envelope.parts().headers).into(),
        Err(failed) => failed,
    }
}
