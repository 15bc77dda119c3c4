//! Two dictionaries in the memory of a Rust program.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::envelope::Envelope;
use crate::host::{BatchOf, Check, Dict, Host, Page, Record, Sizes, Stored, Write};
use crate::id::Id;
use crate::meta::Meta;
use crate::send::MaybeSend;
use crate::sync::{Mutex, lock};

/// A host that lasts as long as the program. Clones share the dictionaries, so that several
/// storages can work on them.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost(Arc<Mutex<Dicts>>);

#[derive(Debug, Default)]
struct Dicts {
    envelopes: BTreeMap<Id, Envelope>,
    meta: BTreeMap<Id, Meta>,
}

impl MemoryHost {
    /// Two empty dictionaries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Host for MemoryHost {
    type Envelope = Envelope;
    type Version = Meta;
    type Cursor = Id;
    type Error = Infallible;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<Meta>>, Infallible> {
        let meta = lock(&self.0).meta.get(&id).cloned();
        Ok(meta.map(|meta| Record { meta: Stored::Good(meta.clone()), version: meta }))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, Infallible> {
        Ok(lock(&self.0).envelopes.get(&id).cloned().map(Stored::Good))
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, Infallible> {
        let mut dicts = lock(&self.0);
        let id = batch.id;
        let holds = batch.checks.iter().all(|check| match check {
            Check::Absent(Dict::Envelope) => !dicts.envelopes.contains_key(&id),
            Check::Absent(Dict::Meta) => !dicts.meta.contains_key(&id),
            Check::Unchanged(version) => dicts.meta.get(&id) == Some(version),
        });
        if holds {
            for write in batch.writes {
                match write {
                    Write::Envelope(envelope) => drop(dicts.envelopes.insert(id, envelope)),
                    Write::Meta(meta) => drop(dicts.meta.insert(id, meta)),
                    Write::Delete(Dict::Envelope) => drop(dicts.envelopes.remove(&id)),
                    Write::Delete(Dict::Meta) => drop(dicts.meta.remove(&id)),
                }
            }
        }
        Ok(holds)
    }

    fn cursor_after(&self, id: Id) -> Option<Id> {
        Some(id)
    }

    async fn page(&self, dict: Dict, cursor: Option<Id>, limit: u32) -> Result<Page<Id>, Infallible> {
        let dicts = lock(&self.0);
        let range = (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries: Vec<_> = match dict {
            Dict::Envelope => dicts.envelopes.range(range).take(limit).map(|(id, _)| (*id, None)).collect(),
            Dict::Meta => {
                dicts.meta.range(range).take(limit).map(|(id, meta)| (*id, Some(Stored::Good(meta.clone())))).collect()
            }
        };
        let next = if entries.len() < limit { None } else { entries.last().map(|(id, _)| *id) };
        Ok(Page { entries, foreign_keys: Vec::new(), next })
    }

    fn is_exclusive(&self) -> bool {
        true // nothing of it leaves the process
    }

    fn is_same_place(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    async fn sizes(&self) -> Result<Sizes, Infallible> {
        let dicts = lock(&self.0);
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Sizes { size: count(dicts.envelopes.len()), meta_size: count(dicts.meta.len()) })
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + MaybeSend {
        clock::sleep(time)
    }

    fn now(&self) -> f64 {
        clock::now()
    }

    fn version_of(&self, meta: &Meta) -> Option<Meta> {
        Some(meta.clone())
    }
}
