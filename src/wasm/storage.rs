//! The storage as JavaScript sees it: one class for both colours.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::envelope::JsEnvelope;
use super::error::{Failed, failure, needs_async, refused};
use super::fields::Fields;
use super::host::{Adapter, JsHost};
use super::meta::{self, NextCopy, to_js};
use crate::error::{Error, Got, Invalid};
use crate::id::Id;
use crate::integrity::Repair;
use crate::load::Position;
use crate::meta::Change;
use crate::millis;
use crate::storage::DictStorage;
use crate::wait::Wait;
use crate::watch::Subscriber;

type Shared = Arc<DictStorage<JsHost>>;
type Work = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// The result of a call: what it came to, a `Failed`, or, where it waits, a promise of these.
pub(super) fn now_or_later(mut work: Work, is_sync: bool) -> JsValue {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap_or_else(|failed| failed),
        Poll::Pending if is_sync => needs_async(),
        Poll::Pending => later(work),
    }
}

/// The same on a stack of its own.
pub(super) fn later(work: Work) -> JsValue {
    // Rejections are for those who throw: a `Failed` is a result, too.
    future_to_promise(async { Ok(work.await.unwrap_or_else(|failed| failed)) }).into()
}

/// What a method returns whose id is none: there is no such message, whatever the text is.
pub(super) const NO_SUCH_MESSAGE: JsValue = JsValue::NULL;

pub(super) fn id_to_js(id: Id) -> JsValue {
    JsValue::from_str(id.encode(&mut [0; 32]))
}

/// The id that `options.id` gives, if any.
pub(super) fn given_id(text: Option<String>) -> Result<Option<Id>, JsValue> {
    let Some(text) = text else { return Ok(None) };
    let expected = "32 lower-case hexadecimal digits";
    Id::read(text.as_bytes()).map(Some).ok_or_else(|| refused(&Invalid::new("options.id", expected, Got::Text(text))))
}

/// A storage over a host in JavaScript. Arguments are inert copies.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct Storage {
    pub(super) storage: Shared,
    is_sync: bool,
}

impl Storage {
    fn call<T, F>(&self, work: impl FnOnce(Shared) -> F, result: impl FnOnce(T) -> JsValue + 'static) -> JsValue
    where
        F: Future<Output = Result<T, Error<Failed>>> + 'static,
    {
        let work = work(Arc::clone(&self.storage));
        now_or_later(Box::pin(async move { work.await.map(result).map_err(failure) }), self.is_sync)
    }

    fn change_one(&self, id: &str, change: Change, result: impl FnOnce(bool) -> JsValue + 'static) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return NO_SUCH_MESSAGE };
        self.call(move |storage| async move { storage.change(&id, change).await }, result)
    }
}

#[wasm_bindgen]
impl Storage {
    /// `deadline` is in milliseconds; a synchronous host has none.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::arc_with_non_send_sync)] // threads are for programs that are not JavaScript
    pub fn new(adapter: Adapter, is_sync: bool, deadline: f64) -> Self {
        let mut storage = DictStorage::new(JsHost::new(adapter));
        let deadline = millis::duration(deadline);
        if !is_sync && deadline < Duration::MAX {
            storage = storage.with_deadline(deadline);
        }
        Self { storage: Arc::new(storage), is_sync }
    }

    /// The same storage, for somebody who takes what is handed over.
    pub fn share(&self) -> Self {
        Self { storage: Arc::clone(&self.storage), is_sync: self.is_sync }
    }

    /// Resolves with the id.
    pub fn write(&self, envelope: JsValue, timestamp: f64, id: Option<String>) -> JsValue {
        let given = match given_id(id) {
            Ok(given) => given,
            Err(failed) => return failed,
        };
        let envelope = match JsEnvelope::argument(envelope) {
            Ok(envelope) => envelope,
            Err(failed) => return failed,
        };
        self.call(move |storage| async move { storage.write(envelope, timestamp, given).await }, id_to_js)
    }

    #[wasm_bindgen(js_name = setTimestamp)]
    pub fn set_timestamp(&self, id: &str, timestamp: f64) -> JsValue {
        self.change_one(id, Change { timestamp: Some(timestamp), ..Change::default() }, |_| JsValue::UNDEFINED)
    }

    #[wasm_bindgen(js_name = incrementAttempts)]
    pub fn increment_attempts(&self, id: &str) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return NO_SUCH_MESSAGE };
        self.call(move |storage| async move { storage.increment_attempts(&id).await }, JsValue::from)
    }

    #[wasm_bindgen(js_name = setRecipientsDelivered)]
    pub fn set_recipients_delivered(&self, id: &str, indexes: Vec<u32>) -> JsValue {
        self.change_one(id, Change { delivered: indexes, ..Change::default() }, |_| JsValue::UNDEFINED)
    }

    pub fn change(&self, id: &str, expect: &Fields, next: &NextCopy) -> JsValue {
        self.change_one(id, meta::change(expect, next), JsValue::from)
    }

    /// Resolves with envelope, attempts and indexes.
    pub fn get(&self, id: &str) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return NO_SUCH_MESSAGE };
        self.call(
            move |storage| async move { storage.get(&id).await },
            |queued| {
                let indexes: Array = queued.indexes.into_iter().map(JsValue::from).collect();
                Array::of3(&queued.envelope.0, &queued.attempts.into(), &indexes).into()
            },
        )
    }

    pub fn remove(&self, id: &str) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return JsValue::UNDEFINED };
        self.call(move |storage| async move { storage.remove(&id).await }, |()| JsValue::UNDEFINED)
    }

    #[wasm_bindgen(js_name = getInfo)]
    pub fn get_info(&self) -> JsValue {
        self.call(|storage| async move { storage.get_info().await }, |sizes| to_js(&sizes))
    }

    pub fn check(&self) -> JsValue {
        self.call(|storage| async move { storage.check().await }, |findings| to_js(&findings))
    }

    /// `min_age` is in milliseconds; an hour unless given.
    pub fn repair(&self, min_age: Option<f64>, requeue: Vec<String>) -> JsValue {
        let requeue = requeue.iter().filter_map(|id| Id::read(id.as_bytes())).collect();
        let min_age = min_age.map(millis::duration);
        let repair = Repair { min_age: min_age.unwrap_or(Repair::default().min_age), requeue };
        self.call(|storage| async move { storage.repair(repair).await }, |findings| to_js(&findings))
    }

    /// Refuses every later call: the host is closed already.
    pub fn shut(&self) {
        self.storage.shut();
    }

    pub fn close(&self) -> JsValue {
        self.call(|storage| async move { storage.close().await }, |()| JsValue::UNDEFINED)
    }

    /// Resolves with the rows of a page, each a timestamp and an id, and the cursor of the next page.
    /// That of the first page, and of the one after the last, is undefined.
    #[wasm_bindgen(js_name = loadPage)]
    pub fn load_page(&self, cursor: JsValue) -> JsValue {
        let mut position = if cursor.is_undefined() { Position::Start } else { Position::At(cursor) };
        let page = |storage: Shared| async move {
            let rows = storage.load_page(&mut position).await?;
            Ok((rows, position))
        };
        self.call(page, |(rows, position)| {
            let row = |(timestamp, id): (f64, Id)| Array::of2(&timestamp.into(), &id_to_js(id));
            let next = if let Position::At(cursor) = position { cursor } else { JsValue::UNDEFINED };
            Array::of2(&rows.into_iter().map(row).collect::<Array>(), &next).into()
        })
    }

    /// Messages as they come; everything is looked through every so many milliseconds.
    pub fn wait(&self, every: f64) -> Subscription {
        let wait = self.storage.wait(millis::duration(every));
        let subscriber = wait.subscriber();
        Subscription { storage: Arc::clone(&self.storage), wait: Rc::new(Cell::new(Some(Box::new(wait)))), subscriber }
    }

    /// Somebody else has changed a message; which one is not known if this is no id.
    pub fn notify(&self, id: &str) {
        match Id::read(id.as_bytes()) {
            Some(id) => self.storage.notify(id),
            None => self.storage.rescan(),
        }
    }
}

/// What [`Storage::wait`] gives.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct Subscription {
    storage: Shared,
    /// None while a call of `next` has it.
    wait: Rc<Cell<Option<Box<Wait<JsValue>>>>>,
    subscriber: Subscriber,
}

#[wasm_bindgen]
impl Subscription {
    /// Resolves with the next timestamp and id; undefined at the end. One call at a time.
    pub fn next(&self) -> JsValue {
        let (storage, place) = (Arc::clone(&self.storage), Rc::clone(&self.wait));
        let work = async move {
            let Some(mut wait) = place.take() else { return Ok(JsValue::UNDEFINED) };
            let next = wait.next(&storage).await;
            place.set(Some(wait));
            let message = next.map_err(failure)?;
            Ok(message
                .map_or(JsValue::UNDEFINED, |(timestamp, id)| Array::of2(&timestamp.into(), &id_to_js(id)).into()))
        };
        now_or_later(Box::pin(work), false)
    }

    /// Ends it, also a `next` under way.
    pub fn end(&self) {
        self.subscriber.end();
    }
}
