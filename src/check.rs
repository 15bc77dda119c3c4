//! Finding and clearing what crashes and strangers have left behind.

use crate::host::{Batch, BatchOf, Dict, Host, HostId, Record, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::rules::{Operation, Outcome, State};
use crate::storage::{DictStorage, Result};
use crate::sync::lock;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What is not a whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
pub struct Repair<I> {
    /// For how many milliseconds this storage must have seen an envelope without a meta record
    /// before that is cleared, since it may be a write under way.
    pub min_age: f64,
    /// Messages to list again under a fresh meta record, due at timestamp 0: those whose meta
    /// record is corrupt or missing and whose envelope is good.
    pub requeue: Vec<I>,
}

impl<I> Default for Repair<I> {
    fn default() -> Self {
        Self { min_age: 3_600_000.0, requeue: Vec::new() }
    }
}

fn digits(id: &impl HostId) -> String {
    id.id().encode(&mut [0; 32]).to_owned()
}

impl<H: Host> DictStorage<H> {
    /// Reads every record and lists what is not a whole message. Changes nothing. Messages that
    /// are being written or removed meanwhile may be listed as orphans.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host), [`Error::Timeout`](crate::Error::Timeout),
    /// [`Error::Closed`](crate::Error::Closed).
    pub async fn check(&self) -> Result<Findings, H> {
        let (findings, _) = self.examine().await?;
        Ok(findings)
    }

    /// Clears orphan envelopes that this storage knew as orphans `min_age` ago, and orphan meta
    /// records; gives the messages to `requeue` a fresh meta record. Returns what it cleared. Never
    /// deletes what is corrupt or of a newer format.
    ///
    /// # Errors
    /// Those of [`DictStorage::check`], [`Error::Invalid`](crate::Error::Invalid),
    /// [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
    pub async fn repair(&self, repair: Repair<H::Id>) -> Result<Findings, H> {
        crate::error::finite("minAge", repair.min_age)?;
        let mut cleared = Findings::default();
        for id in &repair.requeue {
            if self.requeue(id).await? {
                cleared.corrupt.push(digits(id));
            }
        }
        let (_, orphans) = self.examine().await?;
        let now = self.host.now();
        for id in orphans {
            let (batch, list) = match self.state(&id).await? {
                State { meta: None, envelope: Some(true) } => {
                    let since = lock(&self.orphans).get(&id.id()).map_or(now, |(since, _)| *since);
                    if now - since < repair.min_age {
                        continue;
                    }
                    (Batch::clear_envelope(&id), &mut cleared.orphan_envelopes)
                }
                State { meta: Some(Record { meta: Stored::Good(_), version }), envelope: None } => {
                    (Batch::clear_meta(&id, version), &mut cleared.orphan_meta)
                }
                _ => continue,
            };
            if self.commit_alone(&id, batch).await? {
                list.push(digits(&id));
                lock(&self.orphans).remove(&id.id());
            }
        }
        Ok(cleared)
    }

    async fn requeue(&self, id: &H::Id) -> Result<bool, H> {
        let version = match self.state(id).await? {
            State { meta: None, envelope: Some(true) } => None,
            State { meta: Some(Record { meta: Stored::Corrupt, version }), envelope: Some(true) } => Some(version),
            _ => return Ok(false),
        };
        let listed = self.commit_alone(id, Batch::requeue(id, version, Meta::new(0.0))).await?;
        if listed {
            self.watches.notify(id.id());
        }
        Ok(listed)
    }

    /// The findings, and their ids.
    async fn examine(&self) -> Result<(Findings, Vec<H::Id>), H> {
        let mut findings = Findings::default();
        let mut orphans = Vec::new();
        let round = self.next_round();
        for dict in [Dict::Envelope, Dict::Meta] {
            let mut cursor = None;
            loop {
                let page = self.page(dict, cursor).await?;
                findings.corrupt.extend(page.strangers);
                for (id, _) in page.entries {
                    let state = self.state(&id).await?;
                    if dict == Dict::Meta && state.envelope.is_some() {
                        continue; // it was looked at as an envelope
                    }
                    let list = match (state.meta.map(|record| record.meta), state.envelope) {
                        (None, None) | (Some(Stored::Good(_)), Some(true)) => continue,
                        (_, Some(false)) | (Some(Stored::Corrupt | Stored::Newer), _) => &mut findings.corrupt,
                        (None, Some(true)) => {
                            self.date_orphan(id.id(), round);
                            &mut findings.orphan_envelopes
                        }
                        (Some(Stored::Good(_)), None) => &mut findings.orphan_meta,
                    };
                    list.push(digits(&id));
                    orphans.push(id);
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        lock(&self.orphans).retain(|_, (_, seen)| *seen == round);
        Ok((findings, orphans))
    }

    /// A number greater than that of every round of examination so far.
    fn next_round(&self) -> u64 {
        lock(&self.orphans).values().map(|(_, round)| *round).max().unwrap_or(0).wrapping_add(1)
    }

    fn date_orphan(&self, id: Id, round: u64) {
        let now = self.host.now();
        lock(&self.orphans).entry(id).or_insert((now, round)).1 = round;
    }

    async fn commit_alone(&self, id: &H::Id, batch: BatchOf<H>) -> Result<bool, H> {
        let outcome = self.ask(Operation::Commit(id.clone(), batch)).await?;
        Ok(matches!(outcome, Outcome::Committed(true)))
    }

    async fn state(&self, id: &H::Id) -> Result<State<H::Version>, H> {
        match self.ask(Operation::Examine(id.clone())).await? {
            Outcome::Examined(state) => Ok(state),
            _ => Err(crate::Error::Timeout),
        }
    }
}
