//! A call of a method: what its arguments say, and what comes of it. Both classes make the same
//! calls.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use js_sys::JsString;
use wasm_bindgen::prelude::*;

use super::arguments;
use super::envelope::JsEnvelope;
use super::host::{JsHost, JsId};
use super::seam::{Refusal, Seam};
use crate::check::Repair;
use crate::error::Error;
use crate::host::Batch;
use crate::load::Position;
use crate::meta::{Attempts, Change, Meta};
use crate::rules::{Operation, Outcome};
use crate::storage::DictStorage;
use crate::wait::Wait;

/// The methods, in the order of `METHODS` in `pkg/`.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Method {
    /// `write(envelope, timestamp, options)`
    Write,
    /// `setTimestamp(id, timestamp)`
    SetTimestamp,
    /// `incrementAttempts(id)`
    IncrementAttempts,
    /// `setRecipientsDelivered(id, indexes)`
    SetRecipientsDelivered,
    /// `change(id, expect, next)`
    Change,
    /// `get(id)`
    Get,
    /// `remove(id)`
    Remove,
    /// `getInfo()`
    GetInfo,
    /// `check()`
    Check,
    /// `repair(options)`
    Repair,
    /// `close()`
    Close,
}

/// A method with its arguments, which are copies.
pub(crate) enum Call {
    /// A new message under an id that is drawn if none is given.
    Write(JsEnvelope, f64, Option<JsId>),
    /// One operation, and what its outcome is to the caller.
    Operation(Operation<JsHost>, Method),
    Nothing,
    Check,
    Repair(Repair<JsId>),
    Close,
    Load(Position<JsValue>),
    Wait(Wait<JsValue>),
}

/// What comes of a call besides its result: where the listing or the waiting stands now.
pub(crate) enum Rest {
    Nothing,
    Load(Position<JsValue>),
    Wait(Wait<JsValue>),
}

type Result<T> = core::result::Result<T, Error<JsValue>>;

impl Call {
    /// Reads the arguments of a method, each once.
    pub(crate) fn read(
        seam: &Seam,
        method: Method,
        first: &JsValue,
        second: &JsValue,
        third: &JsValue,
    ) -> core::result::Result<Self, Refusal> {
        let change = match method {
            Method::Write => {
                let id = arguments::new_id(seam, third)?;
                let timestamp = arguments::timestamp(seam, "timestamp", second)?;
                return Ok(Self::Write(JsEnvelope::take(seam, first)?, timestamp, id));
            }
            Method::Get => return Ok(Self::Operation(Operation::Get(arguments::id(seam, first)?), method)),
            Method::Remove => {
                return Ok(match arguments::id_of_any(seam, first)? {
                    Some(id) => Self::Operation(Operation::Commit(id.clone(), Batch::remove(&id)), method),
                    None => Self::Nothing,
                });
            }
            Method::GetInfo => return Ok(Self::Operation(Operation::Sizes, method)),
            Method::Check => return Ok(Self::Check),
            Method::Repair => return arguments::repair(seam, first).map(Self::Repair),
            Method::Close => return Ok(Self::Close),
            Method::SetTimestamp => {
                Change { timestamp: Some(arguments::timestamp(seam, "timestamp", second)?), ..Change::default() }
            }
            Method::IncrementAttempts => Change { attempts: Some(Attempts::Increment), ..Change::default() },
            Method::SetRecipientsDelivered => {
                Change { delivered: arguments::indexes(seam, "rcptIndexes", second)?, ..Change::default() }
            }
            Method::Change => arguments::change(seam, second, third)?,
        };
        let id = arguments::id(seam, first)?;
        Ok(Self::Operation(Operation::change(&id, change)?, method))
    }

    /// Makes a call of a host that answers at once.
    pub(crate) fn make_now(self, storage: &DictStorage<JsHost>) -> Result<(JsValue, Rest)> {
        let result = match self {
            Self::Write(envelope, timestamp, given) => loop {
                let (id, write) = Self::write(storage, &envelope, timestamp, &given)?;
                if let Outcome::Committed(true) = storage.perform_now(write)? {
                    break id.text.into();
                }
            },
            Self::Operation(operation, method) => result(storage, method, storage.perform_now(operation)?)?,
            Self::Nothing => JsValue::UNDEFINED,
            other => {
                let work: Pin<Box<dyn Future<Output = _>>> = Box::pin(other.make(storage));
                return match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(made) => made,
                    Poll::Pending => Err(Error::Timeout),
                };
            }
        };
        Ok((result, Rest::Nothing))
    }

    /// Makes the call.
    pub(crate) async fn make(self, storage: &DictStorage<JsHost>) -> Result<(JsValue, Rest)> {
        let seam = &storage.host().seam;
        let result = match self {
            Self::Write(envelope, timestamp, given) => loop {
                let (id, write) = Self::write(storage, &envelope, timestamp, &given)?;
                if let Outcome::Committed(true) = storage.perform(write).await? {
                    break id.text.into();
                }
            },
            Self::Operation(operation, method) => result(storage, method, storage.perform(operation).await?)?,
            Self::Nothing => JsValue::UNDEFINED,
            Self::Check => arguments::findings(seam, storage.check().await?),
            Self::Repair(repair) => arguments::findings(seam, storage.repair(repair).await?),
            Self::Close => {
                storage.close().await?;
                JsValue::UNDEFINED
            }
            Self::Load(mut position) => {
                if matches!(position, Position::End) {
                    return Ok((JsValue::UNDEFINED, Rest::Nothing));
                }
                for (timestamp, id) in storage.load_page(&mut position).await? {
                    seam.row(timestamp, &id.text);
                }
                return Ok((seam.take_rows().into(), Rest::Load(position)));
            }
            Self::Wait(mut wait) => {
                let result = match wait.next(storage).await? {
                    Some((timestamp, id)) => {
                        seam.row(timestamp, &JsString::from(id.encode(&mut [0; 32])));
                        seam.take_rows().get(0)
                    }
                    None => JsValue::UNDEFINED,
                };
                return Ok((result, Rest::Wait(wait)));
            }
        };
        Ok((result, Rest::Nothing))
    }

    fn write(
        storage: &DictStorage<JsHost>,
        envelope: &JsEnvelope,
        timestamp: f64,
        given: &Option<JsId>,
    ) -> Result<(JsId, Operation<JsHost>)> {
        let id = match given {
            Some(id) => id.clone(),
            None => storage.draw()?,
        };
        let (envelope, meta) = (envelope.clone(), Meta::new(timestamp));
        Ok((id.clone(), Operation::Write { id, envelope, meta, given: given.is_some() }))
    }
}

/// What the outcome of an operation is to the caller of the method.
fn result(storage: &DictStorage<JsHost>, method: Method, outcome: Outcome<JsHost>) -> Result<JsValue> {
    let seam = &storage.host().seam;
    Ok(match outcome {
        Outcome::Changed(changes) => {
            let changed = changes.only()?;
            match method {
                Method::IncrementAttempts => changed.attempts.into(),
                Method::Change => changed.applied.into(),
                _ => JsValue::UNDEFINED,
            }
        }
        Outcome::Queued(queued) => {
            for index in queued.indexes {
                seam.index(index);
            }
            seam.queued(&queued.envelope.object, queued.attempts)
        }
        Outcome::Sizes(sizes) => seam.info(sizes.size as f64, sizes.meta_size as f64),
        _ => JsValue::UNDEFINED,
    })
}
