//! The queue as JavaScript sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use js_sys::Array;
use serde::Serialize;
use serde_wasm_bindgen::preserve;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::envelope::JsEnvelope;
use super::error::{Failed, failure, refused};
use super::event::{JsReply, emit};
use super::fields::Fields;
use super::host::JsHost;
use super::meta::to_js;
use super::relay::{
    Callbacks, JsBounceQueue, JsRelay, apply_policy, as_failed, destination_of, make_bounce, no_delay, owner_gone,
    thrown,
};
use super::storage::{NO_SUCH_MESSAGE, Storage, given_id, id_to_js, later, now_or_later};
use super::timer::JsTimer;
use crate::error::Error;
use crate::id::Id;
use crate::millis::duration;
use crate::queue::{
    AbortSignal, BoxError, Destination, EnqueueError, EnqueueOptions, Enqueued, ListOptions, Listed, Listing,
    MessageState, Options, Queue as CoreQueue, Reply, RunOptions, Which,
};
use crate::timestamp::Timestamp;

type Core = CoreQueue<JsHost, JsRelay, JsTimer>;

/// A queue over a storage. Its functions are called through `Callbacks`.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct Queue {
    core: Rc<Core>,
    callbacks: Callbacks,
    /// Those under way, by the numbers that JavaScript gives.
    runs: Rc<RefCell<Vec<(u32, AbortSignal)>>>,
}

#[wasm_bindgen]
impl Queue {
    /// What is returned is a `Queue` or a `Failed`.
    pub fn open(storage: &Storage, dead_letter: Option<Storage>, callbacks: Callbacks, options: &Fields) -> JsValue {
        let dead_letter = dead_letter.map(|storage| Arc::clone(&storage.storage));
        let options = options_of(options, dead_letter, &callbacks);
        match Core::with_timer(Arc::clone(&storage.storage), JsRelay(callbacks.clone()), options, JsTimer) {
            Ok(core) => Self { core: Rc::new(core), callbacks, runs: Rc::default() }.into(),
            Err(error) => failure(error),
        }
    }

    /// Adds the policy of this number in `Callbacks`.
    #[wasm_bindgen(js_name = addPolicy)]
    #[allow(clippy::arc_with_non_send_sync)]
    pub fn add_policy(&self, number: u32) {
        let callbacks = self.callbacks.clone();
        self.core.add_policy(Arc::new(move |envelope| Box::pin(apply_policy(callbacks.clone(), number, envelope))));
    }

    /// Resolves with a key and with pairs of an envelope and its id, or the `Failed` that kept it from
    /// being stored. There is a key only where not everything was stored.
    pub fn enqueue(
        &self,
        envelope: JsValue,
        id: Option<String>,
        at: Option<f64>,
        expires: Option<f64>,
        key: Option<String>,
    ) -> JsValue {
        let envelope = match JsEnvelope::argument(envelope) {
            Ok(envelope) => envelope,
            Err(failed) => return failed,
        };
        let id = match given_id(id) {
            Ok(id) => id,
            Err(failed) => return failed,
        };
        let [at, expires] = [at, expires].map(|time| time.map(Timestamp::from));
        let options = EnqueueOptions { id, key, at, expires };
        let core = Rc::clone(&self.core);
        let work = async move { enqueued_to_js(core.enqueue_with(envelope, options).await) };
        now_or_later(Box::pin(work), false)
    }

    /// Undefined, or a `Failed` where nothing can be started: the storage is closed.
    #[wasm_bindgen(js_name = checkOpen)]
    pub fn check_open(&self) -> JsValue {
        self.core.storage().check_open().map_or_else(failure, |()| JsValue::UNDEFINED)
    }

    /// Begins to make attempts, until `stop`.
    pub fn start(&self) {
        let core = Rc::clone(&self.core);
        let worker = core.enter(); // a stop that comes before the next microtask ends it, too
        spawn_local(async move {
            // Ends by a stop, or because the storage is closed.
            let _ = core.start_as(worker).await;
        });
    }

    /// Resolves when the attempts under way have ended; those that last longer than so many
    /// milliseconds are ended then.
    pub fn stop(&self, timeout: Option<f64>) -> JsValue {
        let core = Rc::clone(&self.core);
        let work = async move {
            match timeout {
                Some(timeout) => core.stop_within(duration(timeout)).await,
                None => core.stop().await,
            }
            Ok(JsValue::UNDEFINED)
        };
        now_or_later(Box::pin(work), false)
    }

    /// Resolves with what attempts came to: of what is due, and of what was deferred if `flush` says so. If
    /// it says nothing, it is only about attempts of an instance that is gone. `abort` ends it by this number.
    pub fn run(&self, number: u32, flush: Option<bool>, until: Option<f64>, limit: Option<f64>) -> JsValue {
        let (core, runs) = (Rc::clone(&self.core), Rc::clone(&self.runs));
        let which = match flush {
            None => Which::Claimed,
            Some(false) => Which::Due,
            Some(true) => Which::Deferred,
        };
        let signal = AbortSignal::default();
        runs.borrow_mut().push((number, signal.clone()));
        let until = until.map(Timestamp::from);
        let options = RunOptions { until, limit: limit.map(|limit| limit as u64), signal: Some(signal) };
        let work = async move {
            let result = core.pass(options, which).await;
            runs.borrow_mut().retain(|(other, _)| *other != number);
            result.map(|result| to_js(&result)).map_err(failure)
        };
        // Where the stack of the caller ends between a relay and its answer, nobody knows what came of it.
        later(Box::pin(work))
    }

    /// Lets the run of this number begin no more attempts.
    pub fn abort(&self, number: u32) {
        for (_, signal) in self.runs.borrow().iter().filter(|(run, _)| *run == number) {
            signal.abort();
        }
    }

    /// Resolves with whether a message was removed that waits.
    pub fn cancel(&self, id: &str) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return JsValue::FALSE };
        let core = Rc::clone(&self.core);
        let work = async move { core.cancel(&id).await.map(JsValue::from).map_err(failure) };
        now_or_later(Box::pin(work), false)
    }

    /// Resolves with how many messages are in which state.
    pub fn count(&self) -> JsValue {
        let core = Rc::clone(&self.core);
        let work = async move { core.count().await.map(|counts| to_js(&counts)).map_err(failure) };
        now_or_later(Box::pin(work), false)
    }

    /// A `List` or a `Failed`.
    pub fn list(&self, state: Option<String>, limit: Option<f64>, cursor: Option<String>, envelopes: bool) -> JsValue {
        let state = state.and_then(|name| MessageState::named(&name));
        let options = ListOptions { state, limit: limit.map(|limit| limit as u64), cursor, envelopes };
        match self.core.list(options) {
            Ok(listing) => List { core: Rc::clone(&self.core), listing: Rc::new(Cell::new(Some(listing))) }.into(),
            Err(error) => failure(error),
        }
    }

    /// Claims under another name from now on.
    pub fn rename(&self, owner: String) {
        self.core.rename(owner);
    }

    /// Lets what was deferred be due now.
    pub fn wake(&self) {
        self.core.wake();
    }

    /// Looks at the clocks now: the machine may have slept.
    #[wasm_bindgen(js_name = checkClocks)]
    pub fn check_clocks(&self) {
        self.core.check_clocks();
    }

    pub fn pause(&self) {
        self.core.pause();
    }

    pub fn resume(&self) {
        self.core.resume();
    }

    /// Resolves when a dead letter is queued again, or a message that waits is due now.
    pub fn retry(&self, id: &str) -> JsValue {
        let Ok(id) = id.parse::<Id>() else { return NO_SUCH_MESSAGE };
        let core = Rc::clone(&self.core);
        let work = async move { core.retry(&id).await.map(|_| JsValue::UNDEFINED).map_err(failure) };
        now_or_later(Box::pin(work), false)
    }

    #[wasm_bindgen(js_name = getInfo)]
    pub fn get_info(&self) -> JsValue {
        to_js(&self.core.get_info())
    }
}

/// What [`Queue::list`] gives.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct List {
    core: Rc<Core>,
    /// None while a call of `next` has it.
    listing: Rc<Cell<Option<Listing<JsValue>>>>,
}

#[wasm_bindgen]
impl List {
    /// Resolves with a message and the cursor after it; undefined at the end. One call at a time.
    pub fn next(&self) -> JsValue {
        let (core, place) = (Rc::clone(&self.core), Rc::clone(&self.listing));
        let work = async move {
            let Some(mut listing) = place.take() else { return Ok(JsValue::UNDEFINED) };
            let next = listing.next(&core).await;
            place.set(Some(listing));
            let listed = next.map_err(failure)?;
            let pair = |one: Listed<JsEnvelope>| {
                let cursor = Listing::<JsValue>::cursor(&one);
                Array::of2(&to_js(&JsListed::from(&one)), &cursor.into()).into()
            };
            Ok(listed.map_or(JsValue::UNDEFINED, pair))
        };
        now_or_later(Box::pin(work), false)
    }
}

fn options_of(
    given: &Fields,
    dead_letter: Option<Arc<crate::storage::DictStorage<JsHost>>>,
    callbacks: &Callbacks,
) -> Options<JsHost> {
    let number = |name| given.number(name);
    let time = |name| number(name).map(duration);
    let has = |name| given.get(name).is_truthy();
    let mut options = Options::<JsHost> {
        owner: given.text("owner"),
        lease: time("lease").unwrap_or_default(),
        relay_pool: number("relayPool").unwrap_or_default() as usize,
        destination: Destination {
            of: None,
            pool: number("destinationPool").map(|size| size as usize),
            per_second: number("destinationPerSecond"),
        },
        store_pool: number("storePool").map(|size| size as usize),
        attempt_timeout: time("attemptTimeout"),
        keep_delivered: time("keepDelivered").unwrap_or_default(),
        dead_letter,
        scan: time("scan").unwrap_or(Duration::MAX),
        overdue_after: time("overdueAfter").unwrap_or_default(),
        ..Options::default()
    };
    if has("hasBackoff") {
        let callbacks = callbacks.clone();
        options.backoff = Some(Box::new(move |envelope: &JsEnvelope, attempts, replies: &[Arc<Reply>], patience| {
            let patience = JsPatience { since: patience.since.as_millis(), scheduled: patience.scheduled };
            let delay = callbacks.backoff(&envelope.0, attempts, replies_to_js(replies), to_js(&patience));
            match delay.dyn_into::<Failed>() {
                Ok(failed) => Err(thrown(failed)),
                Err(delay) => match delay.as_f64() {
                    Some(delay) if !(delay.is_finite() && delay >= 0.0) => Err(thrown(no_delay(delay))),
                    delay => Ok(delay.map(duration)),
                },
            }
        }));
    }
    if has("hasDestinationOf") {
        let callbacks = callbacks.clone();
        options.destination.of = Some(Box::new(move |address| destination_of(&callbacks, address)));
    }
    if has("hasBounceFactory") {
        let callbacks = callbacks.clone();
        options.bounce_factory = Some(Box::new(move |envelope: &JsEnvelope, _, replies| {
            Box::pin(make_bounce(callbacks.clone(), envelope.clone(), replies_to_js(replies)))
        }));
    }
    if has("hasBounceQueue") {
        options.bounce_queue = Some(Box::new(JsBounceQueue(callbacks.clone())));
    }
    let asked = callbacks.clone();
    options.owner_gone = Some(Box::new(move |owner| Box::pin(owner_gone(asked.clone(), owner.to_owned()))));
    let callbacks = callbacks.clone();
    options.listener = Some(Box::new(move |event| emit(&callbacks, event)));
    options
}

fn replies_to_js(replies: &[Arc<Reply>]) -> JsValue {
    to_js(&replies.iter().map(|reply| JsReply::from(&**reply)).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct JsPatience {
    since: f64,
    scheduled: u32,
}

#[derive(Serialize)]
struct JsListed<'a> {
    id: String,
    state: &'static str,
    due: f64,
    attempts: u32,
    replies: Vec<JsReply<'a>>,
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    envelope: JsValue,
}

impl<'a> From<&'a Listed<JsEnvelope>> for JsListed<'a> {
    fn from(listed: &'a Listed<JsEnvelope>) -> Self {
        Self {
            id: listed.id.to_string(),
            state: listed.state.name(),
            due: listed.due.as_millis(),
            attempts: listed.attempts,
            replies: listed.replies.iter().map(JsReply::from).collect(),
            envelope: listed.envelope.as_ref().map_or(JsValue::UNDEFINED, |envelope| envelope.0.clone()),
        }
    }
}

fn enqueued_to_js(enqueued: Result<Enqueued<JsHost>, EnqueueError<JsHost>>) -> Result<JsValue, JsValue> {
    let (key, results): (_, Array) = match enqueued {
        Ok(stored) => (JsValue::UNDEFINED, stored.into_iter().map(|(envelope, id)| pair(envelope, Ok(id))).collect()),
        Err(EnqueueError::Storage { key, results }) => {
            (key.into(), results.into_iter().map(|(envelope, id)| pair(envelope, id)).collect())
        }
        Err(EnqueueError::Policy(error)) => return Err(callback_failure(error)),
        Err(EnqueueError::Invalid(invalid)) => return Err(refused(&invalid)),
        Err(EnqueueError::Random(error)) => return Err(failure(Error::Random(error))),
    };
    Ok(Array::of2(&key, &results).into())
}

fn pair(envelope: JsEnvelope, id: crate::storage::Result<Id, JsHost>) -> Array {
    Array::of2(&envelope.0, &id.map_or_else(failure, id_to_js))
}

fn callback_failure(error: BoxError) -> JsValue {
    as_failed(&error).map_or(JsValue::UNDEFINED, |failed| failed.clone().into())
}
