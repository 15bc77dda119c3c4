//! Finding and clearing what crashes and other programs have left behind.

use std::collections::HashSet;
use std::time::Duration;

use crate::envelope::EnvelopeHandle;
use crate::host::{Batch, Dict, Host, Record, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::millis;
use crate::storage::{DictStorage, Result};
use crate::sync::lock;
use crate::watch::Latest;

/// What is not a whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize))]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), serde(rename_all = "camelCase"))]
pub struct Findings {
    /// Envelopes that no list shows: of a write under way, or of one that was cut short.
    pub orphan_envelopes: Vec<String>,
    /// Meta records without an envelope.
    pub orphan_meta: Vec<String>,
    /// Messages of which a record cannot be read, and keys that are no ids at all.
    pub corrupt: Vec<String>,
}

/// What [`DictStorage::repair`] may do.
#[derive(Clone, Debug)]
pub struct Repair {
    /// For how long this storage must have seen an envelope without a meta record before that is cleared, since
    /// it may be a write under way: an hour unless given.
    pub min_age: Duration,
    /// Messages to list again under a fresh meta record, due at timestamp 0: those whose meta
    /// record is corrupt or missing and whose envelope is good.
    pub requeue: Vec<Id>,
}

impl Default for Repair {
    fn default() -> Self {
        Self { min_age: Duration::from_secs(3600), requeue: Vec::new() }
    }
}

/// What stands under one id.
struct Pair<V> {
    meta: Option<Record<V>>,
    /// Whether the envelope can be read, if there is one.
    envelope: Option<bool>,
}

impl<H: Host> DictStorage<H> {
    /// Reads every record and lists what is not a whole message. Changes nothing. Messages that
    /// are being written or removed meanwhile may be listed as orphans.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host), [`Error::Timeout`](crate::Error::Timeout),
    /// [`Error::Closed`](crate::Error::Closed).
    pub async fn check(&self) -> Result<Findings, H> {
        Ok(self.survey().await?.0)
    }

    /// Clears orphan envelopes that this storage knew as orphans `min_age` ago, and orphan meta
    /// records; gives the messages to `requeue` a fresh meta record. Returns what it cleared, and the messages to `requeue`
    /// as corrupt. Never deletes what is corrupt or of a newer format. Each message is a commit of its own: after an error,
    /// what was cleared stays cleared.
    ///
    /// # Errors
    /// Those of [`DictStorage::check`], [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
    pub async fn repair(&self, repair: Repair) -> Result<Findings, H> {
        let min_age = millis::of(repair.min_age);
        let mut cleared = Findings::default();
        for id in repair.requeue {
            let version = match self.pair(id).await? {
                Pair { meta: None, envelope: Some(true) } => None,
                Pair { meta: Some(Record { meta: Stored::Corrupt, version }), envelope: Some(true) } => Some(version),
                _ => continue,
            };
            if self.commit_alone(Batch::requeue(id, version, Meta::new(0.0))).await? {
                self.watchers.notify(id, Latest::At(0.0, 0));
                cleared.corrupt.push(id.to_string());
            }
        }
        let (_, found) = self.survey().await?;
        for id in found {
            let (batch, list) = match self.pair(id).await? {
                Pair { meta: None, envelope: Some(true) } if self.orphan_for(id) >= min_age => {
                    (Batch::clear_envelope(id), &mut cleared.orphan_envelopes)
                }
                Pair { meta: Some(Record { meta: Stored::Good(_), version }), envelope: None } => {
                    (Batch::clear_meta(id, version), &mut cleared.orphan_meta)
                }
                _ => continue,
            };
            if self.commit_alone(batch).await? {
                list.push(id.to_string());
                lock(&self.orphans).remove(&id);
            }
        }
        Ok(cleared)
    }

    /// What is not a whole message, and the ids among it.
    async fn survey(&self) -> Result<(Findings, Vec<Id>), H> {
        let (mut findings, mut found, mut orphans) = (Findings::default(), Vec::new(), HashSet::new());
        for dict in [Dict::Envelope, Dict::Meta] {
            let mut cursor = None;
            loop {
                let page = self.page(dict, cursor.as_ref()).await?;
                findings.corrupt.extend(page.foreign_keys);
                for (id, _) in page.entries {
                    let Pair { meta, envelope } = self.pair(id).await?;
                    if dict == Dict::Meta && envelope.is_some() {
                        continue; // it was looked at as an envelope
                    }
                    let list = match (meta.map(|record| record.meta), envelope) {
                        (None, None) | (Some(Stored::Good(_)), Some(true)) => continue,
                        (_, Some(false)) | (Some(Stored::Corrupt | Stored::Newer), _) => &mut findings.corrupt,
                        (None, Some(true)) => {
                            orphans.insert(id);
                            lock(&self.orphans).entry(id).or_insert_with(|| self.host.now());
                            &mut findings.orphan_envelopes
                        }
                        (Some(Stored::Good(_)), None) => &mut findings.orphan_meta,
                    };
                    list.push(id.to_string());
                    found.push(id);
                }
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
        }
        lock(&self.orphans).retain(|id, _| orphans.contains(id));
        Ok((findings, found))
    }

    async fn pair(&self, id: Id) -> Result<Pair<H::Version>, H> {
        let (meta, envelope) = self.read_both(id).await?;
        let envelope = envelope.map(|stored| match stored {
            Stored::Good(envelope) => envelope.without(&[]).is_ok(),
            Stored::Corrupt | Stored::Newer => false,
        });
        Ok(Pair { meta, envelope })
    }

    /// For how many milliseconds this storage has known an orphan envelope.
    fn orphan_for(&self, id: Id) -> f64 {
        let now = self.host.now();
        now - lock(&self.orphans).get(&id).copied().unwrap_or(now)
    }
}
