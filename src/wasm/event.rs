//! Events of a queue on their way to the listeners of JavaScript.

use serde::Serialize;
use serde_wasm_bindgen::preserve;
use wasm_bindgen::prelude::*;

use super::envelope::JsEnvelope;
use super::error::{Failed, failure};
use super::meta::to_js;
use super::relay::{Callbacks, as_failed};
use crate::id::Id;
use crate::millis;
use crate::queue::{Cause, Event, Kind, Recipient, Reply};

/// A reply as JavaScript sees it.
#[derive(Serialize)]
pub(super) struct JsReply<'a> {
    code: u16,
    message: &'a str,
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
}

impl<'a> From<&'a Reply> for JsReply<'a> {
    fn from(reply: &'a Reply) -> Self {
        let retry_after = reply.retry_after.map(millis::of);
        Self { code: reply.code, message: &reply.message, retry_after }
    }
}

/// What an event says; `pkg/binding/callbacks.js` adds the recipients at these places.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    envelope: JsValue,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    indexes: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replies: Option<Vec<Option<JsReply<'a>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<f64>,
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    bounce: JsValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounce_id: Option<String>,
    /// A `Failed`.
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    failed: JsValue,
}

impl<'a> Detail<'a> {
    fn add_recipients(&mut self, recipients: &'a [Recipient]) {
        self.places = Some(recipients.iter().map(|recipient| recipient.place).collect());
        self.indexes = Some(recipients.iter().map(|recipient| recipient.index).collect());
        let reply = |recipient: &'a Recipient| recipient.reply.as_deref().map(JsReply::from);
        self.replies = Some(recipients.iter().map(reply).collect());
    }
}

pub(super) fn emit(callbacks: &Callbacks, event: &Event<'_, JsEnvelope, Failed>) {
    let name = event.kind.name();
    if !callbacks.has_listeners(name) {
        return;
    }
    let mut detail = Detail {
        id: event.id.map(|id| id.to_string()),
        envelope: event.envelope.map_or(JsValue::UNDEFINED, |envelope| envelope.0.clone()),
        attempts: event.attempts,
        places: None,
        indexes: None,
        replies: None,
        timestamp: None,
        bounce: JsValue::UNDEFINED,
        bounce_id: None,
        failed: JsValue::UNDEFINED,
    };
    match &event.kind {
        Kind::Queued | Kind::Attempt | Kind::Removed => {}
        Kind::Overdue { timestamp } => detail.timestamp = Some(timestamp.as_millis()),
        Kind::Delivered(recipients) | Kind::Failed(recipients) => detail.add_recipients(recipients),
        Kind::Deferred { recipients, timestamp } => {
            detail.add_recipients(recipients);
            detail.timestamp = Some(timestamp.as_millis());
        }
        Kind::Bounced { recipients, bounce, id, .. } => {
            detail.add_recipients(recipients);
            detail.bounce = bounce.0.clone();
            detail.bounce_id = Some(id.to_string());
        }
        Kind::Error(cause) => detail.failed = cause_to_js(cause, event.id),
    }
    callbacks.emit(name, to_js(&detail));
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = binding, js_name = leaseLost)]
    fn lease_lost(id: Option<String>) -> JsValue;
    #[wasm_bindgen(js_namespace = binding)]
    fn unrecognised(reason: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = binding)]
    fn broken(reason: &str) -> JsValue;
}

fn cause_to_js(cause: &Cause<Failed>, id: Option<Id>) -> JsValue {
    match cause {
        Cause::Storage(error) => failure(error.clone()),
        Cause::LeaseLost => lease_lost(id.map(|id| id.to_string())),
        Cause::Unrecognised(reason) => unrecognised(reason),
        Cause::Relay(error) | Cause::Callback(error) => match as_failed(error) {
            Some(failed) => failed.clone().into(),
            None => broken(&error.to_string()),
        },
    }
}
