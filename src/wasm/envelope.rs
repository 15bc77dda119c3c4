//! Envelopes as handles: their bodies never come into wasm memory.

use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::error::refused;
use super::meta::to_js;
use crate::envelope::{
    ADDRESS, Envelope, EnvelopeHandle, HEADER_NAME, HEADER_VALUE, NoticeOf, is_address, is_header_name, is_header_value,
};
use crate::error::{Got, Invalid};
use crate::id::Id;
use crate::queue::{Parts, QueueEnvelope};

#[wasm_bindgen]
extern "C" {
    /// The texts that rules speak of: the sender unless it is null, the recipients, then name and
    /// value of each header.
    #[wasm_bindgen(js_namespace = binding)]
    fn texts(envelope: &JsValue) -> Vec<String>;
    /// -1 if it is no envelope.
    #[wasm_bindgen(js_namespace = binding, js_name = countRecipients)]
    fn recipient_count(envelope: &JsValue) -> f64;
    #[wasm_bindgen(js_namespace = binding, js_name = hasSender)]
    fn has_sender(envelope: &JsValue) -> bool;
    #[wasm_bindgen(js_namespace = binding, js_name = headerNames)]
    fn header_names(envelope: &JsValue) -> Vec<String>;
    /// A copy without the recipients at these positions; `undefined` if it is no envelope.
    #[wasm_bindgen(js_namespace = binding)]
    fn without(envelope: &JsValue, delivered: Vec<u32>) -> JsValue;
    /// The same with the recipients at these places alone.
    #[wasm_bindgen(js_namespace = binding, js_name = withRecipients)]
    fn with_recipients(envelope: &JsValue, places: Vec<u32>) -> JsValue;
    /// The same from nobody, with or without the name of what it tells of.
    #[wasm_bindgen(js_namespace = binding, js_name = asNotice)]
    fn as_notice(envelope: &JsValue, id: Option<&str>, attempt: u32) -> JsValue;
    /// The same without that.
    #[wasm_bindgen(js_namespace = binding, js_name = asMessage)]
    fn as_message(envelope: &JsValue) -> JsValue;
    /// What it tells of.
    #[wasm_bindgen(js_namespace = binding, js_name = noticeOf)]
    fn notice_of(envelope: &JsValue) -> Option<NoticeOfCopy>;
    /// What a notification takes from an envelope.
    #[wasm_bindgen(js_namespace = binding, js_name = partsOf)]
    fn parts_of(envelope: &JsValue) -> PartsCopy;

    type NoticeOfCopy;
    #[wasm_bindgen(method, getter)]
    fn id(this: &NoticeOfCopy) -> String;
    #[wasm_bindgen(method, getter)]
    fn attempt(this: &NoticeOfCopy) -> u32;

    type PartsCopy;
    #[wasm_bindgen(method, getter)]
    fn sender(this: &PartsCopy) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn recipients(this: &PartsCopy) -> Vec<String>;
    /// The names of the headers.
    #[wasm_bindgen(method, getter)]
    fn names(this: &PartsCopy) -> Vec<String>;
    /// The value of each.
    #[wasm_bindgen(method, getter)]
    fn values(this: &PartsCopy) -> Vec<String>;
    #[wasm_bindgen(method, getter)]
    fn receiver(this: &PartsCopy) -> Option<String>;

    type Fields;
    #[wasm_bindgen(method, getter)]
    fn sender(this: &Fields) -> JsValue;
}

/// An envelope in JavaScript: an inert copy of a caller's, or a value that a host keeps.
#[derive(Clone, Debug)]
pub struct JsEnvelope(pub JsValue);

impl JsEnvelope {
    /// The handle of a stored value, if that is an envelope.
    pub fn stored(value: JsValue) -> Option<Self> {
        (recipient_count(&value) >= 0.0).then_some(Self(value))
    }

    /// The handle of an inert copy whose texts may stand in an envelope.
    pub fn argument(copy: JsValue) -> Result<Self, JsValue> {
        judge(&copy).map_err(|invalid| refused(&invalid))?;
        Ok(Self(copy))
    }
}

fn judge(copy: &JsValue) -> Result<(), Invalid> {
    let senders = usize::from(has_sender(copy));
    let addresses = senders.saturating_add(recipient_count(copy) as usize);
    for (place, text) in texts(copy).into_iter().enumerate() {
        let (rule, expected): (fn(&[u8]) -> bool, _) = match place.checked_sub(addresses) {
            None => (is_address, ADDRESS),
            Some(place) if place % 2 == 0 => (is_header_name, HEADER_NAME),
            Some(_) => (is_header_value, HEADER_VALUE),
        };
        if !rule(text.as_bytes()) {
            let (argument, index, part) = match place.checked_sub(addresses) {
                None => match place.checked_sub(senders) {
                    None => ("sender", None, None),
                    index => ("recipients", index, None),
                },
                Some(place) => ("headers", Some(place / 2), Some(place % 2)),
            };
            return Err(Invalid { argument, index, part, expected, got: Got::Text(text) });
        }
    }
    Ok(())
}

impl EnvelopeHandle for JsEnvelope {
    fn recipient_count(&self) -> usize {
        recipient_count(&self.0) as usize
    }

    fn without(self, delivered: &[u32]) -> Result<Self, Invalid> {
        let copy = without(&self.0, delivered.to_vec());
        if !copy.is_undefined() {
            return Ok(Self(copy));
        }
        let got = Got::Text(String::new());
        Err(Invalid::new("envelope", "an envelope", got))
    }

    fn check(&self) -> Result<(), Invalid> {
        Ok(()) // judged where it came in
    }
}

impl QueueEnvelope for JsEnvelope {
    fn has_sender(&self) -> bool {
        self.0.unchecked_ref::<Fields>().sender().is_truthy()
    }

    fn parts(&self) -> Parts {
        let copy = parts_of(&self.0);
        let headers = copy.names().into_iter().zip(copy.values()).collect();
        Parts { sender: copy.sender(), recipients: copy.recipients(), headers, receiver: copy.receiver() }
    }

    fn header_names(&self) -> Vec<String> {
        header_names(&self.0)
    }

    fn with_recipients(&self, places: &[usize]) -> Self {
        let places = places.iter().filter_map(|place| u32::try_from(*place).ok()).collect();
        Self(with_recipients(&self.0, places))
    }

    fn into_notice(self, of: Option<NoticeOf>) -> Self {
        let mut digits = [0; 32];
        let id = of.map(|of| of.id.encode(&mut digits));
        Self(as_notice(&self.0, id, of.map_or(0, |of| of.attempt)))
    }

    fn notice_of(&self) -> Option<NoticeOf> {
        let of = notice_of(&self.0)?;
        Some(NoticeOf { id: Id::read(of.id().as_bytes())?, attempt: of.attempt() })
    }

    fn into_message(self) -> Self {
        Self(as_message(&self.0))
    }

    fn of(envelope: Envelope) -> Self {
        let Envelope { sender, recipients, headers, message, .. } = envelope;
        Self(to_js(&JsBounce {
            sender: sender.unwrap_or_default(),
            recipients,
            headers,
            message: String::from_utf8_lossy(&message).into_owned(),
        }))
    }
}

/// A notification as the core makes them; its message is text.
#[derive(Serialize)]
struct JsBounce {
    sender: String,
    recipients: Vec<String>,
    headers: Vec<(String, String)>,
    message: String,
}
