use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slimta_queue_dict::host::{BatchOf, Check, Dict, Host, Page, Record, Sizes, Stored, Write};
use slimta_queue_dict::{Envelope, Id, Meta};
use tokio::sync::Mutex;

/// Both dictionaries behind one lock. Each commit has a number, which is the version of what it wrote.
#[derive(Clone, Debug)]
pub struct LockedHost {
    dicts: Arc<Mutex<Dicts>>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Dicts {
    envelopes: BTreeMap<Id, Envelope>,
    metas: BTreeMap<Id, (Meta, u64)>,
    commits: u64,
}

impl LockedHost {
    pub fn new() -> Self {
        Self { dicts: Arc::default(), started: Instant::now() }
    }
}

impl Host for LockedHost {
    type Envelope = Envelope;
    type Version = u64;
    type Cursor = Id;
    type Error = Infallible;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<u64>>, Infallible> {
        let found = self.dicts.lock().await.metas.get(&id).cloned();
        Ok(found.map(|(meta, version)| Record { meta: Stored::Good(meta), version }))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, Infallible> {
        Ok(self.dicts.lock().await.envelopes.get(&id).cloned().map(Stored::Good))
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, Infallible> {
        let dicts = &mut *self.dicts.lock().await; // nothing comes between the checks and the writes
        let id = batch.id;
        let holds = |check: &Check<u64>| match check {
            Check::Absent(Dict::Envelope) => !dicts.envelopes.contains_key(&id),
            Check::Absent(Dict::Meta) => !dicts.metas.contains_key(&id),
            Check::Unchanged(version) => dicts.metas.get(&id).is_some_and(|(_, now)| now == version),
        };
        if !batch.checks.iter().all(holds) {
            return Ok(false);
        }
        dicts.commits += 1;
        for write in batch.writes {
            match write {
                Write::Envelope(envelope) => drop(dicts.envelopes.insert(id, envelope)),
                Write::Meta(meta) => drop(dicts.metas.insert(id, (meta, dicts.commits))),
                Write::Delete(Dict::Envelope) => drop(dicts.envelopes.remove(&id)),
                Write::Delete(Dict::Meta) => drop(dicts.metas.remove(&id)),
            }
        }
        Ok(true)
    }

    async fn page(&self, dict: Dict, cursor: Option<Id>, limit: u32) -> Result<Page<Id>, Infallible> {
        let dicts = self.dicts.lock().await;
        let range = (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let limit = limit as usize;
        let entries: Vec<_> = match dict {
            Dict::Envelope => dicts.envelopes.range(range).take(limit).map(|(id, _)| (*id, None)).collect(),
            Dict::Meta => {
                let metas = dicts.metas.range(range).take(limit);
                metas.map(|(id, (meta, _))| (*id, Some(Stored::Good(meta.clone())))).collect()
            }
        };
        let next = if entries.len() < limit { None } else { entries.last().map(|(id, _)| *id) };
        Ok(Page { entries, foreign_keys: Vec::new(), next })
    }

    async fn sizes(&self) -> Result<Sizes, Infallible> {
        let dicts = self.dicts.lock().await;
        Ok(Sizes { size: dicts.envelopes.len() as u64, meta_size: dicts.metas.len() as u64 })
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }
}
