//! What `pkg/` stands on.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::arguments;
use super::call::{Call, Method, Rest};
use super::host::JsHost;
use super::seam::{Refusal, Seam};
use crate::host::HostId;
use crate::load::Position;
use crate::storage::DictStorage;
use crate::wait::Wait;

/// A storage over whatever the seam stands for.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    storage: Rc<DictStorage<JsHost>>,
}

/// A listing, or somebody who waits: where it stands, and nothing while a call is under way.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Progress(Rc<RefCell<Place>>);

#[derive(Debug, Default)]
enum Place {
    Load(Position<JsValue>),
    Wait(Wait<JsValue>),
    #[default]
    Taken,
}

#[wasm_bindgen]
impl Core {
    /// A storage over dictionaries that answer at once.
    pub fn ready(seam: Seam) -> Self {
        Self { storage: Rc::new(DictStorage::new(JsHost::new(seam, false))) }
    }

    /// A storage over a host that may take its time; each call ends within `deadline` milliseconds.
    pub fn promising(seam: Seam, deadline: f64) -> Self {
        let storage = DictStorage::new(JsHost::new(seam, true)).with_deadline(time(deadline));
        Self { storage: Rc::new(storage) }
    }

    /// Makes a call of a ready storage. A failure gives its error to `Seam.fail` and returns `null`,
    /// which no success does: a result that carries errors costs several times as much.
    pub fn call(&self, method: Method, first: &JsValue, second: &JsValue, third: &JsValue) -> JsValue {
        let call = Call::read(self.seam(), method, first, second, third);
        self.now(call).0
    }

    /// Begins a call of a promising storage. It owns copies of its arguments from here on: the
    /// object may be freed, and they may be changed, before it ends.
    pub fn begin(&self, method: Method, first: &JsValue, second: &JsValue, third: &JsValue) -> Promise {
        self.later(Call::read(self.seam(), method, first, second, third), |_| ())
    }

    /// A listing, before its first page.
    pub fn load(&self) -> Progress {
        Progress(Rc::new(RefCell::new(Place::Load(Position::Start))))
    }

    /// Somebody who waits; all messages are looked through every so many milliseconds.
    pub fn wait(&self, every: f64) -> Progress {
        Progress(Rc::new(RefCell::new(Place::Wait(self.storage.wait(time(every))))))
    }

    /// The next page of a listing of a ready storage: pairs of timestamp and id, `undefined` after
    /// the last ones, `null` after a failure.
    pub fn next(&self, progress: &Progress) -> JsValue {
        let Some(call) = progress.take() else { return JsValue::UNDEFINED };
        let (result, rest) = self.now(Ok(call));
        progress.put(rest);
        result
    }

    /// The next page of a listing of a promising storage, or the next message of one who waits.
    #[wasm_bindgen(js_name = nextLater)]
    pub fn next_later(&self, progress: &Progress) -> Promise {
        let Some(call) = progress.take() else { return Promise::resolve(&JsValue::UNDEFINED) };
        let progress = Progress(progress.0.clone());
        self.later(Ok(call), move |rest| progress.put(rest))
    }

    /// Tells those who wait that somebody else has changed a message, or, without an id, that they
    /// should look through all of them.
    pub fn notify(&self, id: &JsValue) {
        if id.is_undefined() {
            self.storage.rescan();
        } else if let Ok(Some(id)) = arguments::id_of_any(self.seam(), id) {
            self.storage.notify(id.id());
        }
    }
}

impl Core {
    fn seam(&self) -> &Seam {
        &self.storage.host().seam
    }

    fn now(&self, call: Result<Call, Refusal>) -> (JsValue, Rest) {
        let result = call.and_then(|call| call.make_now(&self.storage).map_err(Refusal::Core));
        result.unwrap_or_else(|refusal| {
            let seam = self.seam();
            seam.fail(&seam.error(refusal));
            (JsValue::NULL, Rest::Nothing)
        })
    }

    fn later(&self, call: Result<Call, Refusal>, put: impl FnOnce(Rest) + 'static) -> Promise {
        let storage = self.storage.clone();
        let call = match call {
            Ok(call) => call,
            Err(refusal) => return Promise::reject(&self.seam().error(refusal)),
        };
        let work: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(async move {
            match call.make(&storage).await {
                Ok((result, rest)) => {
                    put(rest);
                    Ok(result)
                }
                Err(error) => Err(storage.host().seam.error(error.into())),
            }
        });
        future_to_promise(work)
    }
}

impl Progress {
    fn take(&self) -> Option<Call> {
        match self.0.take() {
            Place::Load(position) => Some(Call::Load(position)),
            Place::Wait(wait) => Some(Call::Wait(wait)),
            Place::Taken => None,
        }
    }

    fn put(&self, rest: Rest) {
        self.0.replace(match rest {
            Rest::Load(position) => Place::Load(position),
            Rest::Wait(wait) => Place::Wait(wait),
            Rest::Nothing => Place::Taken,
        });
    }
}

fn time(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or(Duration::MAX)
}
