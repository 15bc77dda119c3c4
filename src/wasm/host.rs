//! `impl Host` over what `pkg/binding/host.js` makes of a host or of two dictionaries.

use std::cell::Cell;
use std::time::Duration;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::envelope::JsEnvelope;
use super::error::Failed;
use super::meta;
use crate::clock;
use crate::host::{Alone, BatchOf, Check, Dict, Host, Page, Record, Sizes, Stored, Write};
use crate::id::Id;
use crate::meta::Meta;

#[wasm_bindgen]
extern "C" {
    /// A host as `pkg/binding/host.js` wraps it. Its methods answer with an inert value, a `Failed`,
    /// or a `Later` of one of these; what they throw is a critical error of the caller's.
    pub type Adapter;
    #[wasm_bindgen(method, getter, js_name = isSync)]
    fn is_sync(this: &Adapter) -> bool;
    #[wasm_bindgen(method, js_name = readMeta)]
    fn read_meta(this: &Adapter, id: &str) -> JsValue;
    #[wasm_bindgen(method, js_name = readEnvelope)]
    fn read_envelope(this: &Adapter, id: &str) -> JsValue;
    #[wasm_bindgen(method)]
    fn commit(this: &Adapter, batch: &JsBatch) -> JsValue;
    #[wasm_bindgen(method)]
    fn page(this: &Adapter, dict: &str, cursor: JsValue, limit: u32) -> JsValue;
    /// Undefined if the host has none.
    #[wasm_bindgen(method, js_name = cursorAfter)]
    fn cursor_after(this: &Adapter, id: &str) -> JsValue;
    #[wasm_bindgen(method)]
    fn sizes(this: &Adapter) -> JsValue;
    /// Answers with true or false.
    #[wasm_bindgen(method, js_name = attemptAlone)]
    fn attempt_alone(this: &Adapter, owner: &str) -> JsValue;
    #[wasm_bindgen(method)]
    fn close(this: &Adapter) -> JsValue;

    /// A batch in the making, which names its message once.
    #[wasm_bindgen(js_namespace = binding, js_name = Batch)]
    type JsBatch;
    #[wasm_bindgen(constructor, js_namespace = binding, js_class = "Batch")]
    fn new(id: &str) -> JsBatch;
    #[wasm_bindgen(method)]
    fn absent(this: &JsBatch, dict: &str);
    #[wasm_bindgen(method)]
    fn unchanged(this: &JsBatch, version: &JsValue);
    #[wasm_bindgen(method, js_name = putEnvelope)]
    fn put_envelope(this: &JsBatch, envelope: &JsValue);
    #[wasm_bindgen(method, js_name = putMeta)]
    fn put_meta(this: &JsBatch, record: &JsValue);
    #[wasm_bindgen(method)]
    fn delete(this: &JsBatch, dict: &str);

    /// A promise whose callbacks come back to this instance only.
    #[wasm_bindgen(js_namespace = binding)]
    type Later;
}

/// A host in JavaScript, or two dictionaries there.
pub struct JsHost {
    adapter: Adapter,
    is_sync: bool,
    /// Whether a version is the record itself, so that the next version is known before it is read.
    versions_are_contents: Cell<bool>,
}

impl JsHost {
    pub fn new(adapter: Adapter) -> Self {
        Self { is_sync: adapter.is_sync(), adapter, versions_are_contents: Cell::new(false) }
    }
}

/// An answer, once it is there.
pub(super) async fn answer_of(answer: JsValue) -> Result<JsValue, Failed> {
    let answer = if answer.is_instance_of::<Later>() {
        // A `Later` never rejects: its `Failed` is an answer, too.
        JsFuture::from(answer.unchecked_into::<Promise>()).await.unwrap_or_else(|failed| failed)
    } else {
        answer
    };
    if answer.is_instance_of::<Failed>() { Err(answer.unchecked_into()) } else { Ok(answer) }
}

fn name(dict: Dict) -> &'static str {
    match dict {
        Dict::Envelope => "envelope",
        Dict::Meta => "meta",
    }
}

fn batch_to_js(batch: BatchOf<JsHost>) -> JsBatch {
    let made = JsBatch::new(batch.id.encode(&mut [0; 32]));
    for check in batch.checks {
        match check {
            Check::Absent(dict) => made.absent(name(dict)),
            Check::Unchanged(version) => made.unchanged(&version),
        }
    }
    for write in batch.writes {
        match write {
            Write::Envelope(JsEnvelope(envelope)) => made.put_envelope(&envelope),
            Write::Meta(record) => made.put_meta(&meta::meta_to_js(&record)),
            Write::Delete(dict) => made.delete(name(dict)),
        }
    }
    made
}

impl Host for JsHost {
    type Envelope = JsEnvelope;
    type Version = JsValue;
    type Cursor = JsValue;
    type Error = Failed;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<JsValue>>, Failed> {
        let answer = self.adapter.read_meta(id.encode(&mut [0; 32]));
        let answer = answer_of(answer).await?;
        if answer.is_undefined() {
            return Ok(None);
        }
        let (record, is_content) = meta::record(answer);
        self.versions_are_contents.set(is_content);
        Ok(Some(record))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<JsEnvelope>>, Failed> {
        let answer = self.adapter.read_envelope(id.encode(&mut [0; 32]));
        let answer = answer_of(answer).await?;
        if answer.is_undefined() {
            return Ok(None);
        }
        Ok(Some(JsEnvelope::stored(answer).map_or(Stored::Corrupt, Stored::Good)))
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, Failed> {
        let answer = self.adapter.commit(&batch_to_js(batch));
        Ok(answer_of(answer).await?.is_truthy())
    }

    async fn page(&self, dict: Dict, cursor: Option<JsValue>, limit: u32) -> Result<Page<JsValue>, Failed> {
        let answer = self.adapter.page(name(dict), cursor.unwrap_or_default(), limit);
        Ok(meta::page(answer_of(answer).await?.unchecked_ref()))
    }

    fn cursor_after(&self, id: Id) -> Option<JsValue> {
        let cursor = self.adapter.cursor_after(id.encode(&mut [0; 32]));
        (!cursor.is_undefined()).then_some(cursor)
    }

    async fn sizes(&self) -> Result<Sizes, Failed> {
        let answer = self.adapter.sizes();
        Ok(meta::sizes(answer_of(answer).await?.unchecked_ref()))
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        clock::sleep(time)
    }

    fn now(&self) -> f64 {
        clock::now()
    }

    fn version_of(&self, meta: &Meta) -> Option<JsValue> {
        self.versions_are_contents.get().then(|| meta::meta_to_js(meta))
    }

    fn is_sync(&self) -> bool {
        self.is_sync
    }

    fn is_too_large(error: &Failed) -> bool {
        error.is_too_large()
    }

    fn is_full(error: &Failed) -> bool {
        error.is_full()
    }

    async fn attempt_alone(&self, owner: &str) -> Option<Alone> {
        let answer = answer_of(self.adapter.attempt_alone(owner)).await;
        // Until its page or process ends.
        answer.is_ok_and(|is_alone| is_alone.is_truthy()).then(|| Box::new(()) as Alone)
    }

    fn is_unknown_outcome(error: &Failed) -> bool {
        error.is_unknown_outcome()
    }

    async fn close(&self) -> Result<(), Failed> {
        let answer = self.adapter.close();
        answer_of(answer).await.map(drop)
    }
}
