//! The functions of the caller that a queue calls: relay, policies, backoff, bounce factory, bounce
//! queue, listeners.

use std::collections::HashMap;
use std::fmt;

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::envelope::JsEnvelope;
use super::error::Failed;
use super::fields::Fields;
use super::host::answer_of;
use crate::id::Id;
use crate::queue::{Answer, Attempt, BounceQueue, BoxError, BoxFuture, Foreign, Relay, Verdict};

#[wasm_bindgen]
extern "C" {
    /// What a queue calls, as `pkg/binding/callbacks.js` wraps it. Its methods answer with an inert
    /// value, a `Failed`, or a `Later` of one of these.
    #[derive(Clone)]
    pub type Callbacks;
    #[wasm_bindgen(method)]
    fn attempt(this: &Callbacks, envelope: &JsValue, attempts: u32, id: &str) -> JsValue;
    #[wasm_bindgen(method)]
    fn abort(this: &Callbacks, id: &str);
    #[wasm_bindgen(method)]
    fn has(this: &Callbacks, id: &str) -> bool;
    #[wasm_bindgen(method)]
    fn settle(this: &Callbacks, id: &str);
    #[wasm_bindgen(method)]
    fn policy(this: &Callbacks, number: u32, envelope: JsValue) -> JsValue;
    #[wasm_bindgen(method)]
    pub fn backoff(this: &Callbacks, envelope: &JsValue, attempts: u32, replies: JsValue, patience: JsValue)
    -> JsValue;
    /// A text or a `Failed`.
    #[wasm_bindgen(method)]
    fn destination(this: &Callbacks, address: &str) -> JsValue;
    #[wasm_bindgen(method)]
    fn bounce(this: &Callbacks, envelope: &JsValue, replies: JsValue) -> JsValue;
    #[wasm_bindgen(method, js_name = enqueueBounce)]
    fn enqueue_bounce(this: &Callbacks, bounce: JsValue, id: &str) -> JsValue;
    /// Is there when the owner of a claim is gone; `undefined` where nobody can know.
    #[wasm_bindgen(method, js_name = whenGone)]
    fn when_gone(this: &Callbacks, owner: &str) -> JsValue;
    #[wasm_bindgen(method, js_name = hasListeners)]
    pub fn has_listeners(this: &Callbacks, event: &str) -> bool;
    #[wasm_bindgen(method)]
    pub fn emit(this: &Callbacks, event: &str, detail: JsValue);

    /// What a relay answered, as `pkg/binding/answers.js` copies it.
    type AnswerCopy;
    /// What it says of everybody, of each recipient, or of each address. Null means delivered, and
    /// undefined that it says nothing of that one.
    #[wasm_bindgen(method, getter)]
    fn says(this: &AnswerCopy) -> Array;
    #[wasm_bindgen(method, getter, js_name = isOfAll)]
    fn is_of_all(this: &AnswerCopy) -> bool;
    #[wasm_bindgen(method, getter)]
    fn addresses(this: &AnswerCopy) -> Option<Vec<String>>;
    /// What the relay threw, if it did; what that means is what it says of everybody.
    #[wasm_bindgen(method, getter)]
    fn failed(this: &AnswerCopy) -> Option<Failed>;

    /// The error of a backoff that has answered with what is no number of milliseconds.
    #[wasm_bindgen(js_namespace = binding, js_name = noDelay)]
    pub fn no_delay(delay: f64) -> Failed;
}

/// What a function of the caller threw.
pub struct Thrown(pub Failed);

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f) // that of a value of JavaScript is a large text in the glue
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function of the caller failed")
    }
}

impl std::error::Error for Thrown {}

pub fn thrown(failed: Failed) -> BoxError {
    Box::new(Thrown(failed))
}

/// What was thrown, if that is the error.
pub fn as_failed(error: &BoxError) -> Option<&Failed> {
    error.downcast_ref::<Thrown>().map(|Thrown(failed)| failed)
}

/// The relay of the caller.
pub struct JsRelay(pub Callbacks);

fn verdict(copy: &JsValue) -> Verdict {
    if copy.is_undefined() {
        return Verdict::Missing;
    }
    if copy.is_null() {
        return Verdict::Delivered(None);
    }
    let copy: &Fields = copy.unchecked_ref();
    let retry_after = copy.number("retryAfter");
    Foreign { name: copy.text("name"), code: copy.number("code"), message: copy.text("message"), retry_after }.into()
}

fn answer(copy: &AnswerCopy) -> Result<Answer, BoxError> {
    let says = copy.says();
    let verdicts = says.iter().map(|says| verdict(&says));
    if let Some(addresses) = copy.addresses() {
        let mut by_address = HashMap::new();
        by_address.extend(addresses.into_iter().zip(verdicts)); // to collect them would sort them first
        return Ok(Answer::ByAddress(by_address));
    }
    if !copy.is_of_all() {
        return Ok(Answer::Each(verdicts.collect()));
    }
    match (verdict(&says.get(0)), copy.failed()) {
        (Verdict::Unrecognised, Some(failed)) => Err(thrown(failed)),
        (verdict, _) => Ok(verdict.into()),
    }
}

impl Relay<JsEnvelope> for JsRelay {
    async fn attempt(&self, envelope: &JsEnvelope, attempt: Attempt) -> Result<Answer, BoxError> {
        let mut digits = [0; 32];
        let id = attempt.id.encode(&mut digits);
        let answering = self.0.attempt(&envelope.0, attempt.attempts, id);
        let mut answering = std::pin::pin!(answer_of(answering));
        let aborted = std::pin::pin!(attempt.signal.aborted());
        let answered = match futures_util::future::select(answering.as_mut(), aborted).await {
            futures_util::future::Either::Left((answered, _)) => answered,
            futures_util::future::Either::Right(_) => {
                self.0.abort(id);
                answering.await
            }
        };
        answered.map_err(thrown).and_then(|copy| answer(copy.unchecked_ref()))
    }

    fn has(&self, id: Id) -> bool {
        self.0.has(id.encode(&mut [0; 32]))
    }

    fn settled(&self, id: Id) {
        self.0.settle(id.encode(&mut [0; 32]));
    }
}

/// The envelopes that a policy makes of one, in the place of that.
pub async fn apply_policy(
    callbacks: Callbacks,
    number: u32,
    envelope: JsEnvelope,
) -> Result<Vec<JsEnvelope>, BoxError> {
    let answer = callbacks.policy(number, envelope.0);
    let made: Array = answer_of(answer).await.map_err(thrown)?.unchecked_into();
    let argument = |copy| JsEnvelope::argument(copy).map_err(|failed| thrown(failed.unchecked_into()));
    made.iter().map(argument).collect()
}

/// The destination of an address.
pub fn destination_of(callbacks: &Callbacks, address: &str) -> Result<String, BoxError> {
    callbacks
        .destination(address)
        .dyn_into::<Failed>()
        .map_or_else(|name| Ok(name.as_string().unwrap_or_default()), |failed| Err(thrown(failed)))
}

/// The bounce that the factory makes; nothing for none.
pub async fn make_bounce(
    callbacks: Callbacks,
    envelope: JsEnvelope,
    replies: JsValue,
) -> Result<Option<JsEnvelope>, BoxError> {
    let answer = callbacks.bounce(&envelope.0, replies);
    let bounce = answer_of(answer).await.map_err(thrown)?;
    if bounce.is_null() {
        return Ok(None);
    }
    JsEnvelope::argument(bounce).map(Some).map_err(|failed| thrown(failed.unchecked_into()))
}

/// Is ready when the owner of a claim is known to be gone.
pub async fn owner_gone(callbacks: Callbacks, owner: String) {
    let answer = callbacks.when_gone(&owner);
    if answer.is_undefined() || answer_of(answer).await.is_err() {
        std::future::pending().await
    }
}

/// The queue of the caller that takes bounces.
pub struct JsBounceQueue(pub Callbacks);

impl BounceQueue<JsEnvelope> for JsBounceQueue {
    fn enqueue(&self, bounce: JsEnvelope, id: Id) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            let answer = self.0.enqueue_bounce(bounce.0, id.encode(&mut [0; 32]));
            answer_of(answer).await.map(drop).map_err(thrown)
        })
    }
}
