//! A host that JavaScript keeps, behind the seam.

use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use js_sys::JsString;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::envelope::JsEnvelope;
use super::seam::{DONE, DONE_WITH_MORE, NOTHING, PENDING, STRANGE, Seam, THREW};
use crate::host::{BatchOf, Check, Dict, Host, HostId, Page, Record, Sizes, Stored, Write};
use crate::id::Id;
use crate::meta::{Lease, Meta};

/// An id and the JavaScript string that it was or will be.
#[derive(Clone, Debug)]
pub(crate) struct JsId {
    id: Id,
    pub(crate) text: JsString,
}

impl HostId for JsId {
    fn id(&self) -> Id {
        self.id
    }
}

impl JsId {
    /// `None` if `value` is no string that an id could be.
    pub(crate) fn parse(seam: &Seam, value: &JsValue) -> Option<Self> {
        let id = Id::from_ascii(seam.id_digits(value)?.as_bytes()).ok()?;
        Some(Self { id, text: value.clone().unchecked_into() })
    }
}

/// Whatever `pkg/seam/` stands for.
#[derive(Debug)]
pub(crate) struct JsHost {
    pub(crate) seam: Seam,
    /// Whether the host may return promises.
    promises: bool,
}

/// The newest format of a meta record that this version reads; one without a format is of the
/// first.
const FORMAT: f64 = 1.0;

impl JsHost {
    pub(crate) fn new(seam: Seam, promises: bool) -> Self {
        Self { seam, promises }
    }

    /// The meta record that the seam has just read.
    fn meta(&self, status: u32) -> Stored<Meta> {
        let seam = &self.seam;
        let (timestamp, attempts) = (seam.first(), seam.second());
        if status == STRANGE {
            return Stored::Corrupt;
        }
        let mut meta = Meta::new(timestamp);
        if status == DONE_WITH_MORE {
            if seam.format() > FORMAT {
                return Stored::Newer;
            }
            let Some(delivered) = seam.delivered() else { return Stored::Corrupt };
            for index in delivered {
                let Some(index) = integer(index) else { return Stored::Corrupt };
                if meta.delivered.last().is_some_and(|last| *last >= index) {
                    return Stored::Corrupt;
                }
                meta.delivered.push(index);
            }
            match seam.lease_kind() {
                NOTHING => {}
                DONE => match (seam.lease_until(), seam.lease_owner()) {
                    (until, Some(owner)) if until.is_finite() => meta.lease = Some(Lease { until, owner }),
                    _ => return Stored::Corrupt,
                },
                _ => return Stored::Corrupt,
            }
        }
        match integer(attempts) {
            Some(attempts) if timestamp.is_finite() => {
                meta.attempts = attempts;
                Stored::Good(meta)
            }
            _ => Stored::Corrupt,
        }
    }

    /// The page that the seam has just read.
    fn entries(&self, meta: bool) -> Page<JsId, JsValue> {
        let seam = &self.seam;
        let (page, next) = (seam.take_value(), seam.take_version());
        let (mut entries, mut strangers) = (Vec::new(), Vec::new());
        // All keys cross in one piece, each as 32 characters: those of another length are blank.
        let keys = seam.page_ids(&page);
        let (keys, _) = keys.as_bytes().as_chunks::<32>();
        entries.reserve(keys.len());
        for (index, key) in (0_u32..).zip(keys) {
            let text = seam.entry_key(&page, index);
            match Id::from_ascii(key) {
                Ok(id) => {
                    let status = if meta { seam.entry_meta(&page, index) } else { NOTHING };
                    let value = if status == NOTHING { None } else { Some(self.meta(status)) };
                    entries.push((JsId { id, text }, value));
                }
                Err(_) => strangers.push(String::from(text)),
            }
        }
        Page { entries, strangers, next: (!next.is_undefined()).then_some(next) }
    }

    fn describe(&self, meta: &Meta) {
        self.seam.meta(meta.timestamp, meta.attempts);
        if !meta.delivered.is_empty() {
            self.seam.meta_delivered(&meta.delivered);
        }
        if let Some(lease) = &meta.lease {
            self.seam.meta_lease(lease.until, &lease.owner);
        }
    }

    fn state_batch(&self, batch: &BatchOf<Self>) {
        let seam = &self.seam;
        for check in &batch.checks {
            match check {
                Check::Absent(dict, id) => seam.check_absent(is_meta(*dict), &id.text),
                Check::Unchanged(id, version) => seam.check_version(&id.text, version),
            }
        }
        for write in &batch.writes {
            match write {
                Write::Envelope(id, envelope) => seam.put_envelope(&id.text, &envelope.object),
                Write::Meta(id, meta) => {
                    self.describe(meta);
                    seam.put_meta(&id.text);
                }
                Write::Delete(dict, id) => seam.delete(is_meta(*dict), &id.text),
            }
        }
    }
}

fn is_meta(dict: Dict) -> bool {
    dict == Dict::Meta
}

/// The number as an index or a count, if it is one.
pub(crate) fn integer(number: f64) -> Option<u32> {
    let integer = number as u32;
    (f64::from(integer) == number).then_some(integer)
}

// That the futures are all of one kind is nobody's business, but it keeps the module small.
#[allow(refining_impl_trait)]
impl Host for JsHost {
    type Id = JsId;
    type Envelope = JsEnvelope;
    type Version = JsValue;
    type Cursor = JsValue;
    type Error = JsValue;

    fn name(&self, id: Id) -> JsId {
        JsId { id, text: JsString::from(id.encode(&mut [0; 32])) }
    }

    fn read_meta(&self, id: &JsId) -> Answer<'_, Option<Record<JsValue>>> {
        let accept = |seam: &Seam, answer: &JsValue| seam.read_answer(true, answer);
        Answer::new(self, self.seam.read(true, &id.text), accept, |host, status| {
            if status == NOTHING {
                return None;
            }
            let version = host.seam.take_version();
            Some(Record { meta: host.meta(status), version })
        })
    }

    fn read_envelope(&self, id: &JsId) -> Answer<'_, Option<Stored<JsEnvelope>>> {
        let accept = |seam: &Seam, answer: &JsValue| seam.read_answer(false, answer);
        Answer::new(self, self.seam.read(false, &id.text), accept, |host, status| {
            if status == NOTHING {
                return None;
            }
            let envelope = JsEnvelope::stored(&host.seam, host.seam.take_value());
            Some(envelope.map_or(Stored::Corrupt, Stored::Good))
        })
    }

    fn commit(&self, batch: BatchOf<Self>) -> Answer<'_, bool> {
        self.state_batch(&batch);
        Answer::new(self, self.seam.commit(), Seam::commit_answer, |_, status| status == DONE)
    }

    fn page(&self, dict: Dict, cursor: Option<JsValue>, limit: u32) -> Answer<'_, Page<JsId, JsValue>> {
        let cursor = cursor.unwrap_or(JsValue::UNDEFINED);
        let (status, finish): (_, fn(&JsHost, u32) -> _) = match dict {
            Dict::Meta => (self.seam.page(true, &cursor, limit), |host, _| host.entries(true)),
            Dict::Envelope => (self.seam.page(false, &cursor, limit), |host, _| host.entries(false)),
        };
        Answer::new(self, status, Seam::page_answer, finish)
    }

    fn sizes(&self) -> Answer<'_, Sizes> {
        Answer::new(self, self.seam.sizes(), Seam::sizes_answer, |host, _| Sizes {
            size: host.seam.first() as u64,
            meta_size: host.seam.second() as u64,
        })
    }

    async fn sleep(&self, time: Duration) {
        // Ends the timer when the future is dropped: one that runs on would keep a process alive.
        struct Timer<'a>(&'a Seam, JsValue);
        impl Drop for Timer<'_> {
            fn drop(&mut self) {
                self.0.wake(&self.1);
            }
        }
        let timer = Timer(&self.seam, self.seam.sleep(time.as_secs_f64() * 1000.0));
        let _ = JsFuture::from(self.seam.take_promise()).await;
        drop(timer);
    }

    fn now(&self) -> f64 {
        self.seam.now()
    }

    fn version_of(&self, meta: &Meta) -> Option<JsValue> {
        self.describe(meta);
        let version = self.seam.meta_version();
        (!version.is_undefined()).then_some(version)
    }

    fn is_unknown_outcome(error: &JsValue) -> bool {
        let code = js_sys::Reflect::get(error, &"code".into()).ok();
        code.and_then(|code| code.as_string()).is_some_and(|code| code == "unknown-outcome")
    }

    fn overlaps(&self) -> bool {
        self.promises
    }

    fn close(&self) -> Answer<'_, ()> {
        Answer::new(self, self.seam.close(), |_, _| DONE, |_, _| ())
    }
}

/// What a call of the host comes to, its promise awaited if it returned one.
#[derive(Debug)]
pub(crate) struct Answer<'a, T> {
    host: &'a JsHost,
    status: u32,
    promise: Option<JsFuture>,
    accept: fn(&Seam, &JsValue) -> u32,
    finish: fn(&JsHost, u32) -> T,
}

impl<'a, T> Answer<'a, T> {
    fn new(host: &'a JsHost, status: u32, accept: fn(&Seam, &JsValue) -> u32, finish: fn(&JsHost, u32) -> T) -> Self {
        let promise = if status == PENDING { Some(JsFuture::from(host.seam.take_promise())) } else { None };
        Self { host, status, promise, accept, finish }
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Result<T, JsValue>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(promise) = &mut self.promise {
            let answer = ready!(Pin::new(promise).poll(cx))?;
            self.status = (self.accept)(&self.host.seam, &answer);
            self.promise = None;
        }
        Poll::Ready(match self.status {
            THREW => Err(self.host.seam.take_thrown()),
            status => Ok((self.finish)(self.host, status)),
        })
    }
}
