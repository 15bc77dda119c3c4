//! What `pkg/` stands on.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::call::{Call, Method, NOTHING, PENDING, Place};
use super::host::JsHost;
use super::seam::Seam;
use super::tasks::Tasks;
use crate::storage::DictStorage;
use crate::wait::End;

/// A storage over whatever the seam stands for.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    storage: Rc<DictStorage<JsHost>>,
    tasks: Tasks,
}

/// Somebody who waits; nothing while a call of theirs is under way.
#[wasm_bindgen]
#[allow(missing_debug_implementations)]
pub struct Waiting(Place, End);

#[wasm_bindgen]
impl Waiting {
    /// Whatever is asked for now, and from now on, comes to nothing.
    pub fn end(&self) {
        self.1.end();
    }
}

#[wasm_bindgen]
impl Core {
    /// A storage over dictionaries that answer at once.
    pub fn ready(seam: Seam) -> Self {
        Self { storage: Rc::new(DictStorage::new(JsHost::new(seam, false))), tasks: Tasks::default() }
    }

    /// A storage over a host that may take its time; each call ends within `deadline` milliseconds.
    pub fn promising(seam: Seam, deadline: f64) -> Self {
        let storage = DictStorage::new(JsHost::new(seam, true)).with_deadline(time(deadline));
        Self { storage: Rc::new(storage), tasks: Tasks::default() }
    }

    /// Where the frame is.
    pub fn frame(&self) -> usize {
        self.storage.host().frame.address()
    }

    /// Makes a call of a ready storage and returns its number: NaN after a failure, whose error the
    /// seam has, and -Infinity if the frame has no id.
    pub fn call(&self, method: Method, number: f64, count: u32) -> f64 {
        let host = self.storage.host();
        let outer = host.named.take();
        let result = Call::read(&self.storage, method, number, count);
        let result = host.finish(result.and_then(|call| call.map_or(Ok(NOTHING), |call| call.make_now(&self.storage))));
        host.named.set(outer);
        result
    }

    /// Begins a call of a promising storage: the same, or Infinity if the call has not ended. It is polled
    /// by its number then.
    pub fn begin(&self, call: u32, method: Method, number: f64, count: u32) -> f64 {
        let host = self.storage.host();
        let outer = host.named.take();
        let result = match Call::read(&self.storage, method, number, count) {
            Ok(Some(made)) => self.run(call, made),
            Ok(None) => NOTHING,
            Err(error) => host.finish(Err(error)),
        };
        host.named.set(outer);
        result
    }

    /// Goes on with a call.
    pub fn poll(&self, call: u32) -> f64 {
        let outer = self.storage.host().named.take();
        let result = self.tasks.poll(call).unwrap_or(PENDING);
        self.storage.host().named.set(outer);
        result
    }

    /// Somebody who waits; all messages are looked through every so many milliseconds.
    pub fn wait(&self, every: f64) -> Waiting {
        let wait = self.storage.wait(time(every));
        let end = wait.ending();
        Waiting(Rc::new(Cell::new(Some(Box::new(wait)))), end)
    }

    /// Begins to wait for the next message: its time, and its id in the slot; none at the end.
    pub fn next(&self, call: u32, waiting: &Waiting) -> f64 {
        let Some(wait) = waiting.0.take() else { return NOTHING };
        let outer = self.storage.host().named.take();
        let result = self.run(call, Call::Wait(wait, waiting.0.clone()));
        self.storage.host().named.set(outer);
        result
    }

    /// Tells those who wait that somebody else has changed the message in the frame, or that they
    /// should look through all of them.
    pub fn notify(&self, all: bool) {
        if all {
            self.storage.rescan();
        } else if let Some(id) = self.storage.host().frame.id() {
            self.storage.notify(id);
        }
    }
}

impl Core {
    fn run(&self, call: u32, made: Call) -> f64 {
        let storage = self.storage.clone();
        let work = Box::pin(async move {
            let result = made.make(&storage).await;
            storage.host().finish(result)
        });
        self.tasks.begin(call, &self.storage.host().seam, work).unwrap_or(PENDING)
    }
}

fn time(milliseconds: f64) -> Duration {
    Duration::from_millis(milliseconds.max(1.0) as u64)
}
