//! A host that JavaScript keeps, behind the seam.

use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::frame::Frame;
use super::seam::{
    AS_READ, DONE, DONE_WITH_MORE, LAST, META, NOTHING, PENDING, PUT, Pending, STRANGE, Seam, THREW, THREW_UNKNOWN,
};
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, Invalid};
use crate::host::{BatchOf, Check, Dict, Host, HostId, Page, Record, Sizes, Stored, Write};
use crate::id::Id;
use crate::meta::{Lease, Meta};

/// An id, and its place in the page that it was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsId {
    pub(crate) id: Id,
    pub(crate) place: u32,
}

impl HostId for JsId {
    fn id(&self) -> Id {
        self.id
    }
}

/// An envelope in the slot of a call; that it is good was seen where it was copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsEnvelope {
    pub(crate) recipients: u32,
}

impl EnvelopeHandle for JsEnvelope {
    fn recipient_count(&self) -> usize {
        self.recipients as usize
    }

    fn without(self, _: &[u32]) -> Result<Self, Invalid> {
        Ok(self) // the result names who is left
    }

    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// What a host threw.
#[derive(Clone, Debug)]
pub(crate) struct Thrown {
    pub(crate) value: JsValue,
    unknown: bool,
}

/// Whatever `pkg/seam/` stands for.
#[derive(Debug)]
pub(crate) struct JsHost {
    pub(crate) seam: Seam,
    pub(crate) frame: Box<Frame>,
    /// Whether the host may take its time.
    promises: bool,
    /// The id that the slot of the running call has as a string.
    pub(crate) named: Cell<Option<Id>>,
}

/// The newest format of a meta record that this version reads; one without a format is of the
/// first.
const FORMAT: f64 = 1.0;

impl JsHost {
    pub(crate) fn new(seam: Seam, promises: bool) -> Self {
        Self { seam, frame: Box::default(), promises, named: Cell::new(None) }
    }

    /// Tells the seam of which message the next calls speak.
    pub(crate) fn name_it(&self, id: Id) {
        if self.named.replace(Some(id)) != Some(id) {
            self.frame.put_id(id);
            self.seam.named();
        }
    }

    /// What a call came to, its error made.
    pub(crate) fn finish(&self, result: Result<f64, Error<Thrown>>) -> f64 {
        result.unwrap_or_else(|error| {
            if let Some(id) = error.id() {
                self.frame.put_id(id);
            }
            self.seam.failed(error);
            f64::NAN
        })
    }

    /// The meta record that the seam has just read.
    fn meta(&self, status: u32) -> Stored<Meta> {
        let [timestamp, attempts, format, until] = self.frame.numbers.get();
        if format > FORMAT {
            return Stored::Newer;
        }
        let Some(attempts) = integer(attempts).filter(|_| timestamp.is_finite() && status != STRANGE) else {
            return Stored::Corrupt;
        };
        let mut meta = Meta { attempts, ..Meta::new(timestamp) };
        if status == DONE_WITH_MORE {
            for index in self.seam.delivered() {
                match integer(index) {
                    Some(index) if meta.delivered.last().is_none_or(|last| *last < index) => meta.delivered.push(index),
                    _ => return Stored::Corrupt,
                }
            }
            if let Some(owner) = self.seam.lease_owner() {
                if !until.is_finite() {
                    return Stored::Corrupt;
                }
                meta.lease = Some(Lease { until, owner });
            }
        }
        Stored::Good(meta)
    }

    /// The page that the seam has just read.
    fn entries(&self, meta: bool, status: u32) -> Page<JsId, ()> {
        let seam = &self.seam;
        let (mut entries, mut strangers) = (Vec::new(), Vec::new());
        // All crosses in one piece, each id as 32 characters: those of another length are blank.
        let (ids, numbers) = (seam.page_ids(), if meta { seam.page_numbers() } else { Vec::new() });
        let (ids, mut numbers) = (ids.as_chunks::<32>().0, numbers.as_chunks::<3>().0.iter());
        entries.reserve(ids.len());
        for (place, digits) in (0_u32..).zip(ids) {
            let [timestamp, attempts, status] = *numbers.next().unwrap_or(&[0.0; 3]);
            let Ok(id) = Id::from_ascii(digits) else {
                strangers.push(seam.stranger(place));
                continue;
            };
            let status = status as u32;
            if status == DONE {
                self.frame.numbers.set([timestamp, attempts, 0.0, 0.0]);
            } else if status != NOTHING {
                seam.entry(place);
            }
            entries.push((JsId { id, place }, (status != NOTHING).then(|| self.meta(status))));
        }
        Page { entries, strangers, next: (status == DONE_WITH_MORE).then_some(()) }
    }

    /// Says what a check or a write has besides two numbers, which it returns.
    fn describe(&self, meta: Option<&Meta>) -> (f64, u32) {
        let Some(meta) = meta else { return (0.0, 0) };
        if !meta.delivered.is_empty() {
            self.seam.places(&meta.delivered);
        }
        if let Some(lease) = &meta.lease {
            self.seam.lease(lease.until, &lease.owner);
        }
        (meta.timestamp, meta.attempts)
    }

    #[inline(never)] // both callers pay for a copy
    fn write(&self, id: &JsId, what: u32, meta: Option<&Meta>) -> u32 {
        self.name_it(id.id);
        let (timestamp, attempts) = self.describe(meta);
        self.seam.write(what, timestamp, attempts)
    }

    /// A check that the record is still this one, or that which was read: this check is one with the write that
    /// follows, which is told so.
    fn check_unchanged(&self, version: Option<&Meta>) -> u32 {
        if version.is_none() {
            return AS_READ;
        }
        let (timestamp, attempts) = self.describe(version);
        self.seam.check(META | PUT, timestamp, attempts);
        0
    }

    /// What the seam says to the last write, which makes it commit.
    fn state_batch(&self, batch: &BatchOf<Self>) -> u32 {
        let seam = &self.seam;
        let mut as_read = 0;
        for check in &batch.checks {
            let (Check::Absent(_, id) | Check::Unchanged(id, _)) = check;
            self.name_it(id.id);
            match check {
                Check::Absent(dict, _) => seam.check(meta_bit(*dict), 0.0, 0),
                Check::Unchanged(_, version) => as_read = self.check_unchanged(version.as_deref()),
            }
        }
        let mut left = batch.writes.len();
        let mut status = DONE;
        for write in &batch.writes {
            left = left.saturating_sub(1);
            let (id, what, meta) = match write {
                Write::Envelope(id, _) => (id, PUT, None),
                Write::Meta(id, meta) => (id, META | PUT, Some(meta)),
                Write::Delete(dict, id) => (id, meta_bit(*dict), None),
            };
            status = self.write(id, what | as_read | if left == 0 { LAST } else { 0 }, meta);
            as_read = 0;
        }
        status
    }
}

fn meta_bit(dict: Dict) -> u32 {
    if is_meta(dict) { META } else { 0 }
}

fn is_meta(dict: Dict) -> bool {
    dict == Dict::Meta
}

/// The number as an index or a count, if it is one.
fn integer(number: f64) -> Option<u32> {
    let integer = number as u32;
    (f64::from(integer) == number).then_some(integer)
}

// That the futures are all of one kind is nobody's business, but it keeps the module small.
#[allow(refining_impl_trait)]
impl Host for JsHost {
    type Id = JsId;
    type Envelope = JsEnvelope;
    /// The record itself where hosts compare contents; else the slot has what was read last.
    type Version = Option<Rc<Meta>>;
    /// The slot has it.
    type Cursor = ();
    type Error = Thrown;

    fn name(&self, id: Id) -> JsId {
        JsId { id, place: 0 }
    }

    fn read_meta(&self, id: &JsId) -> Answer<'_, Option<Record<Option<Rc<Meta>>>>> {
        self.name_it(id.id);
        Answer::new(self, self.seam.read(true), |host, status| {
            (status != NOTHING).then(|| Record { meta: host.meta(status), version: None })
        })
    }

    fn read_envelope(&self, id: &JsId) -> Answer<'_, Option<Stored<JsEnvelope>>> {
        self.name_it(id.id);
        Answer::new(self, self.seam.read(false), |host, status| match status {
            NOTHING => None,
            DONE => {
                let [count, ..] = host.frame.numbers.get();
                Some(Stored::Good(JsEnvelope { recipients: count as u32 }))
            }
            _ => Some(Stored::Corrupt),
        })
    }

    fn commit(&self, batch: BatchOf<Self>) -> Answer<'_, bool> {
        Answer::new(self, self.state_batch(&batch), |_, status| status == DONE)
    }

    fn commit_change(&self, id: &JsId, version: Option<Rc<Meta>>, meta: &Meta) -> Answer<'_, bool> {
        self.name_it(id.id);
        let as_read = self.check_unchanged(version.as_deref());
        let status = self.write(id, META | PUT | LAST | as_read, Some(meta));
        Answer::new(self, status, |_, status| status == DONE)
    }

    fn page(&self, dict: Dict, cursor: Option<()>, limit: u32) -> Answer<'_, Page<JsId, ()>> {
        let meta = is_meta(dict);
        let finish: fn(&JsHost, u32) -> _ =
            if meta { |host, status| host.entries(true, status) } else { |host, status| host.entries(false, status) };
        Answer::new(self, self.seam.page(meta, cursor.is_none(), limit), finish)
    }

    fn sizes(&self) -> Answer<'_, Sizes> {
        Answer::new(self, self.seam.sizes(), |host, _| {
            let [size, meta_size, ..] = host.frame.numbers.get();
            Sizes { size: size as u64, meta_size: meta_size as u64 }
        })
    }

    fn sleep(&self, time: Duration) -> Timer<'_> {
        Timer { seam: &self.seam, timer: self.seam.sleep(time.as_secs_f64() * 1000.0) }
    }

    fn now(&self) -> f64 {
        self.seam.now()
    }

    fn version_of(&self, meta: &Meta) -> Option<Option<Rc<Meta>>> {
        self.seam.compares_contents().then(|| Some(Rc::new(meta.clone())))
    }

    fn is_unknown_outcome(error: &Thrown) -> bool {
        error.unknown
    }

    fn overlaps(&self) -> bool {
        self.promises
    }

    fn close(&self) -> Answer<'_, ()> {
        Answer::new(self, self.seam.close(), |_, _| ())
    }
}

/// What a call of the host comes to.
#[derive(Debug)]
pub(crate) struct Answer<'a, T> {
    host: &'a JsHost,
    status: u32,
    pending: Option<Pending>,
    finish: fn(&JsHost, u32) -> T,
}

impl<'a, T> Answer<'a, T> {
    fn new(host: &'a JsHost, status: u32, finish: fn(&JsHost, u32) -> T) -> Self {
        let pending = (status == PENDING).then(|| host.seam.take_pending());
        Self { host, status, pending, finish }
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Result<T, Thrown>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let seam = &self.host.seam;
        if let Some(pending) = &self.pending {
            let status = seam.resume(pending);
            if status == PENDING {
                return Poll::Pending; // the seam polls the call when there is an answer
            }
            self.status = status;
        }
        Poll::Ready(match self.status {
            status @ (THREW | THREW_UNKNOWN) => {
                Err(Thrown { value: seam.take_thrown(), unknown: status == THREW_UNKNOWN })
            }
            status => Ok((self.finish)(self.host, status)),
        })
    }
}

/// Ends when its time has come; dropped before, it keeps no process alive.
#[derive(Debug)]
pub(crate) struct Timer<'a> {
    seam: &'a Seam,
    timer: Pending,
}

impl Future for Timer<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.seam.resume(&self.timer) == PENDING { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.seam.cancel(&self.timer);
    }
}
