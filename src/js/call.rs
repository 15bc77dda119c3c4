//! A call of a method: what crossed for it, and what comes of it. Both classes make the same calls.

use core::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::host::{JsEnvelope, JsHost, JsId, Thrown};
use super::seam::Seam;
use crate::check::{self, Examination, Findings, Repair};
use crate::error::Error;
use crate::host::{Dict, Host, Stored};
use crate::id::Id;
use crate::meta::{Attempts, Change, Expect, Lease, Meta};
use crate::rules::{Operation, Outcome};
use crate::storage::DictStorage;
use crate::wait::{self, Wait};

/// The methods. Each speaks of the id in the frame, but for the last ones; its number and its count
/// are what is said here, and the slot of the call has the rest.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Method {
    /// A message due at this time, for so many recipients.
    Write,
    /// The same, under the id.
    WriteAs,
    /// The time of the next attempt.
    SetTimestamp,
    /// Nothing more.
    IncrementAttempts,
    /// The slot has the indexes.
    SetRecipientsDelivered,
    /// The slot has what is expected and what is next.
    Change,
    /// Nothing more.
    Get,
    /// Nothing more.
    Remove,
    /// No id.
    GetInfo,
    /// No id.
    Check,
    /// No id; a number of milliseconds, the default if it is NaN. The slot has the ids to requeue.
    Repair,
    /// No id.
    Close,
    /// No id; the count is 0 for the first page.
    Load,
    /// What `Core.next` begins.
    Wait,
    /// Nothing more: what the meta record says, in the slot. For a queue.
    Look,
}

/// A method with what crossed for it.
pub(crate) enum Call {
    /// One operation, and what its outcome is to the caller.
    Operation(Option<Operation<JsHost>>, Method, Option<(JsEnvelope, f64)>),
    Examination(Box<Examination<JsHost>>),
    Wait(Box<Wait<()>>, Place),
}

/// Where one who waits is between two calls.
pub(crate) type Place = Rc<Cell<Option<Box<Wait<()>>>>>;

/// What a call does next.
enum Step {
    Do(Operation<JsHost>),
    Sleep(f64),
    Done(f64),
}

/// What a call returns that has not ended; no other number is infinite.
pub(crate) const PENDING: f64 = f64::INFINITY;
/// What a call returns whose id is none, or who waits for nothing more.
pub(crate) const NOTHING: f64 = f64::NEG_INFINITY;

type Result<T> = core::result::Result<T, Error<Thrown>>;

impl Call {
    /// `None` if what is in the frame is no id. The numbers were checked where they were read.
    pub(crate) fn read(storage: &DictStorage<JsHost>, method: Method, number: f64, count: u32) -> Result<Option<Self>> {
        let host = storage.host();
        let seam = &host.seam;
        let envelope = JsEnvelope { recipients: count };
        let mut drawn = None;
        let operation = match method {
            Method::Write => {
                drawn = Some((envelope, number));
                write(storage, envelope, number)?
            }
            Method::Check => return Ok(Some(Self::Examination(Box::new(Examination::new(storage, None))))),
            Method::Repair => {
                let repair = repair(seam, number);
                return Ok(Some(Self::Examination(Box::new(Examination::new(storage, Some(repair))))));
            }
            Method::Close if storage.shut() => Operation::Close,
            Method::Close => return Ok(Some(Self::Operation(None, method, None))),
            Method::GetInfo => Operation::Sizes,
            Method::Load => Operation::Page(Dict::Meta, (count > 0).then_some(())),
            _ => {
                let Some(id) = host.frame.id() else { return Ok(None) };
                host.named.set(Some(id));
                let id = host.name(id);
                match method {
                    Method::WriteAs => Operation::Write { id, envelope, timestamp: number, given: true },
                    Method::Get => Operation::Get(id),
                    Method::Look => Operation::Look(id),
                    Method::Remove => Operation::Remove(id),
                    _ => Operation::change(&id, changed(seam, method, number))?,
                }
            }
        };
        Ok(Some(Self::Operation(Some(operation), method, drawn)))
    }

    fn step(&mut self, storage: &DictStorage<JsHost>, outcome: Option<Result<Outcome<JsHost>>>) -> Result<Step> {
        match self {
            Self::Operation(operation, method, drawn) => match (outcome.transpose()?, drawn) {
                (None, _) => Ok(operation.take().map_or(Step::Done(0.0), Step::Do)),
                // The id that was drawn is taken.
                (Some(Outcome::Committed(false)), Some((envelope, timestamp))) => {
                    write(storage, *envelope, *timestamp).map(Step::Do)
                }
                (Some(outcome), _) => result(storage, *method, outcome).map(Step::Done),
            },
            Self::Examination(examination) => Ok(match examination.step(storage, outcome.transpose()?) {
                check::Step::Do(operation) => Step::Do(operation),
                check::Step::Done(all) => Step::Done(findings(storage, all)),
            }),
            Self::Wait(wait, _) => Ok(match wait.step(storage, outcome)? {
                wait::Step::Do(operation) => Step::Do(operation),
                wait::Step::Sleep(milliseconds) => Step::Sleep(milliseconds),
                wait::Step::Done(None) => Step::Done(NOTHING),
                wait::Step::Done(Some((timestamp, id))) => {
                    storage.host().name_it(id);
                    Step::Done(timestamp)
                }
            }),
        }
    }

    /// Makes a call of a host that answers at once.
    pub(crate) fn make_now(mut self, storage: &DictStorage<JsHost>) -> Result<f64> {
        // Nothing is left to decide after it.
        if let Self::Operation(operation, method, None) = &mut self
            && let Some(operation) = operation.take()
        {
            let method = *method;
            return result(storage, method, storage.perform_now(operation)?);
        }
        let mut outcome = None;
        loop {
            match self.step(storage, outcome)? {
                Step::Do(operation) => outcome = Some(storage.perform_now(operation)),
                Step::Done(number) => return Ok(number),
                Step::Sleep(_) => return Err(Error::Timeout), // only where hosts take their time
            }
        }
    }

    /// Makes the call.
    pub(crate) async fn make(mut self, storage: &DictStorage<JsHost>) -> Result<f64> {
        let mut outcome = None;
        let result = loop {
            match self.step(storage, outcome.take()) {
                Ok(Step::Do(operation)) => outcome = Some(storage.perform(operation).await),
                Ok(Step::Sleep(milliseconds)) => {
                    if let Self::Wait(wait, _) = &self {
                        wait.sleep(storage, milliseconds).await;
                    }
                }
                Ok(Step::Done(number)) => break Ok(number),
                Err(error) => break Err(error),
            }
        };
        if let Self::Wait(wait, place) = self {
            place.set(Some(wait));
        }
        result
    }
}

/// A new message under an id that is drawn.
fn write(storage: &DictStorage<JsHost>, envelope: JsEnvelope, timestamp: f64) -> Result<Operation<JsHost>> {
    Ok(Operation::Write { id: storage.draw()?, envelope, timestamp, given: false })
}

fn changed(seam: &Seam, method: Method, number: f64) -> Change {
    match method {
        Method::SetTimestamp => Change { timestamp: Some(number), ..Change::default() },
        Method::SetRecipientsDelivered => Change { delivered: seam.indexes(), ..Change::default() },
        Method::Change => change(seam),
        _ => Change { attempts: Some(Attempts::Increment), ..Change::default() },
    }
}

/// The arguments of `change`: the numbers are timestamp, attempts and lease of what is expected,
/// then of what is next. A lease that is infinite stands for none.
fn change(seam: &Seam) -> Change {
    let given = |index| Some(seam.number(index)).filter(|number| !number.is_nan());
    let lease = |index| given(index).map(|until| seam.owner(index).map(|owner| Lease { until, owner }));
    Change {
        expect: Expect { timestamp: given(0), attempts: given(1).map(|attempts| attempts as u32), lease: lease(2) },
        timestamp: given(3),
        attempts: given(4).map(|attempts| Attempts::Set(attempts as u32)),
        lease: lease(5),
        delivered: seam.indexes(),
    }
}

fn repair(seam: &Seam, min_age: f64) -> Repair<JsId> {
    let ids = seam.ids();
    let ids = ids.as_bytes().as_chunks::<32>().0.iter().filter_map(|digits| Id::from_ascii(digits).ok());
    let mut repair = Repair { requeue: ids.map(|id| JsId { id, place: 0 }).collect(), ..Repair::default() };
    if !min_age.is_nan() {
        repair.min_age = min_age;
    }
    repair
}

fn findings(storage: &DictStorage<JsHost>, findings: Findings) -> f64 {
    let lists = [findings.orphan_envelopes, findings.orphan_meta, findings.corrupt];
    for (number, list) in (0_u32..).zip(lists) {
        for id in list {
            storage.host().seam.finding(number, &id);
        }
    }
    0.0
}

/// What the outcome of an operation is to the caller of the method: a number, the rest in the slot.
fn result(storage: &DictStorage<JsHost>, method: Method, outcome: Outcome<JsHost>) -> Result<f64> {
    let seam = &storage.host().seam;
    Ok(match outcome {
        Outcome::Changed(changes) => {
            let changed = changes.only()?;
            match method {
                Method::IncrementAttempts => changed.attempts.into(),
                _ => f64::from(u8::from(changed.applied)),
            }
        }
        // 1 if there is a record that cannot be read.
        Outcome::Looked(looked) => {
            looked.map_or(NOTHING, |stored| f64::from(u8::from(!matches!(stored, Stored::Good(_)))))
        }
        Outcome::Queued(queued) => {
            seam.places(&queued.indexes);
            queued.attempts.into()
        }
        Outcome::Page(page) => {
            let good = |entry: &(JsId, Option<Stored<Meta>>)| match entry {
                (id, Some(Stored::Good(_))) => Some(id.place),
                _ => None,
            };
            seam.places(&page.entries.iter().filter_map(good).collect::<Vec<_>>());
            f64::from(u8::from(page.next.is_some()))
        }
        // The frame has the sizes, but what waited meanwhile may have used it.
        Outcome::Sizes(sizes) => {
            storage.host().frame.numbers.set([sizes.size as f64, sizes.meta_size as f64, 0.0, 0.0]);
            0.0
        }
        _ => 0.0,
    })
}
