//! A call of a method: what its arguments say, and what comes of it. Both classes make the same
//! calls.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::arguments;
use super::envelope::JsEnvelope;
use super::host::{JsHost, JsId};
use super::seam::{Refusal, Seam};
use crate::check::Repair;
use crate::error::Error;
use crate::host::{Batch, HostId};
use crate::load::Position;
use crate::meta::{Attempts, Change};
use crate::storage::DictStorage;
use crate::turn::Progress;
use crate::wait::Wait;

/// The methods, in the order of `METHODS` in `pkg/storage.js`.
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
    Write(JsEnvelope, f64, Option<JsId>),
    Change(JsId, Change, Method),
    Get(JsId),
    Remove(Option<JsId>),
    GetInfo,
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

impl Call {
    /// Reads the arguments of a method, each once.
    pub(crate) fn read(
        seam: &Seam,
        method: Method,
        first: &JsValue,
        second: &JsValue,
        third: &JsValue,
    ) -> Result<Self, Refusal> {
        let change = match method {
            Method::Write => {
                let id = arguments::new_id(seam, third)?;
                let timestamp = arguments::timestamp(seam, "timestamp", second)?;
                return Ok(Self::Write(JsEnvelope::take(seam, first)?, timestamp, id));
            }
            Method::Get => return arguments::id(seam, first).map(Self::Get),
            Method::Remove => return arguments::id_of_any(seam, first).map(Self::Remove),
            Method::GetInfo => return Ok(Self::GetInfo),
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
        Ok(Self::Change(arguments::id(seam, first)?, change, method))
    }

    /// Makes the call.
    pub(crate) async fn make(self, storage: &DictStorage<JsHost>) -> Result<(JsValue, Rest), Error<JsValue>> {
        let progress = storage.progress();
        match self {
            // These have a deadline for each of their steps.
            Self::Check | Self::Repair(_) | Self::Load(_) | Self::Wait(_) | Self::Close => {
                self.make_in_steps(storage).await
            }
            _ => {
                let result = storage.within(&progress, self.make_at_once(storage, &progress)).await?;
                Ok((result, Rest::Nothing))
            }
        }
    }

    async fn make_at_once(self, storage: &DictStorage<JsHost>, progress: &Progress) -> Result<JsValue, Error<JsValue>> {
        let seam = &storage.host().seam;
        Ok(match self {
            Self::Write(envelope, timestamp, id) => {
                storage.write_now(envelope, timestamp, id, progress).await?.text.into()
            }
            Self::Change(id, change, method) => {
                let changed = storage.make_now(&id, change, progress).await?;
                match method {
                    Method::IncrementAttempts => changed.attempts.into(),
                    Method::Change => changed.applied.into(),
                    _ => JsValue::UNDEFINED,
                }
            }
            Self::Get(id) => {
                let queued = storage.get_now(&id).await?;
                for index in queued.indexes {
                    seam.index(index);
                }
                seam.queued(&queued.envelope.object, queued.attempts)
            }
            Self::Remove(Some(id)) => {
                storage.alone(&id, Batch::remove(&id), progress).await?;
                JsValue::UNDEFINED
            }
            Self::GetInfo => {
                let sizes = storage.get_info_now().await?;
                seam.info(sizes.size as f64, sizes.meta_size as f64)
            }
            _ => JsValue::UNDEFINED,
        })
    }

    async fn make_in_steps(self, storage: &DictStorage<JsHost>) -> Result<(JsValue, Rest), Error<JsValue>> {
        let seam = &storage.host().seam;
        let result = match self {
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
                let page = storage.load_page(&mut position).await?;
                for (timestamp, id) in page {
                    seam.row(timestamp, &id.text);
                }
                return Ok((seam.take_rows().into(), Rest::Load(position)));
            }
            Self::Wait(mut wait) => {
                let message = wait.next(storage).await;
                let result = match message? {
                    Some((timestamp, id)) => {
                        let text = JsValue::from_str(id.id().encode(&mut [0; 32]));
                        Array::of2(&timestamp.into(), &text).into()
                    }
                    None => JsValue::UNDEFINED,
                };
                return Ok((result, Rest::Wait(wait)));
            }
            _ => JsValue::UNDEFINED,
        };
        Ok((result, Rest::Nothing))
    }
}
