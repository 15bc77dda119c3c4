//! What the policies of the package write into headers. What is not known is empty.

use wasm_bindgen::prelude::*;

use super::error::failure;
use crate::error::Error;
use crate::queue::headers::{Received, date, message_id};

/// The value of `Date` at a time in milliseconds since the epoch.
#[wasm_bindgen(js_name = dateHeader)]
pub fn date_header(time: f64) -> JsValue {
    date(time).into()
}

/// The value of `Message-ID`, or a `Failed`.
#[wasm_bindgen(js_name = messageIdHeader)]
pub fn message_id_header(receiver: &str, sender: &str) -> JsValue {
    message_id(receiver, sender).map_or_else(|error| failure(Error::Random(error)), JsValue::from)
}

/// The value of `Received`, of name, host, address and protocol of the client, the receiver and the only
/// recipient.
#[wasm_bindgen(js_name = receivedHeader)]
pub fn received_header(texts: Vec<String>, time: f64) -> JsValue {
    match texts.as_slice() {
        [name, host, ip, protocol, receiver, recipient] => {
            Received { name, host, ip, protocol, receiver, recipient, time }.value().into()
        }
        _ => JsValue::UNDEFINED,
    }
}
