//! Finding and clearing what crashes and strangers have left behind.

use std::collections::HashSet;

use crate::envelope::EnvelopeHandle;
use crate::host::{Batch, Dict, Host, HostId, Record, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::{DictStorage, Result, lock};
use crate::turn::Progress;

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

/// The state of one message.
enum State<V> {
    Whole,
    Gone,
    OrphanEnvelope,
    OrphanMeta(V),
    CorruptMeta(V),
    CorruptEnvelope,
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
        crate::storage::finite("minAge", repair.min_age)?;
        let mut cleared = Findings::default();
        for id in &repair.requeue {
            if self.requeue(id).await? {
                cleared.corrupt.push(id.id().to_string());
            }
        }
        let (_, ids) = self.examine().await?;
        let now = self.host.now();
        for id in ids {
            match self.state(&id).await? {
                State::OrphanEnvelope => {
                    let since = lock(&self.orphans).get(&id.id()).copied().unwrap_or(now);
                    if now - since >= repair.min_age && self.commit_once(&id, Batch::clear_envelope(&id)).await? {
                        lock(&self.orphans).remove(&id.id());
                        cleared.orphan_envelopes.push(id.id().to_string());
                    }
                }
                State::OrphanMeta(version) => {
                    if self.commit_once(&id, Batch::clear_meta(&id, version)).await? {
                        cleared.orphan_meta.push(id.id().to_string());
                    }
                }
                _ => {}
            }
        }
        Ok(cleared)
    }

    async fn requeue(&self, id: &H::Id) -> Result<bool, H> {
        let version = match self.state(id).await? {
            State::CorruptMeta(version) => Some(version),
            State::OrphanEnvelope => None,
            _ => return Ok(false),
        };
        match self.read_good_envelope(id).await {
            Ok(_) => {}
            Err(crate::Error::Corrupt(_) | crate::Error::NoSuchMessage(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let listed = self.commit_once(id, Batch::requeue(id, version, Meta::new(0.0))).await?;
        if listed {
            self.watches.notify(id.id());
        }
        Ok(listed)
    }

    /// The findings, and the ids of the orphans among them.
    async fn examine(&self) -> Result<(Findings, Vec<H::Id>), H> {
        self.within(None, &Progress::default(), async {
            self.settled().await;
            Ok(())
        })
        .await?;
        let mut findings = Findings::default();
        let mut seen = HashSet::new();
        let mut orphans = Vec::new();
        let mut orphan_ids = HashSet::new();
        for dict in [Dict::Envelope, Dict::Meta] {
            let mut cursor = None;
            loop {
                let page = self.page(dict, cursor).await?;
                findings.corrupt.extend(page.strangers);
                for (id, _) in page.entries {
                    if !seen.insert(id.id()) {
                        continue;
                    }
                    let text = id.id().to_string();
                    match self.state(&id).await? {
                        State::Whole | State::Gone => {}
                        State::OrphanEnvelope => {
                            orphan_ids.insert(id.id());
                            findings.orphan_envelopes.push(text);
                            orphans.push(id);
                        }
                        State::OrphanMeta(_) => {
                            findings.orphan_meta.push(text);
                            orphans.push(id);
                        }
                        State::CorruptMeta(_) | State::CorruptEnvelope => findings.corrupt.push(text),
                    }
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        self.date_orphans(&orphan_ids);
        Ok((findings, orphans))
    }

    fn date_orphans(&self, now_orphans: &HashSet<Id>) {
        let now = self.host.now();
        let mut dated = lock(&self.orphans);
        dated.retain(|id, _| now_orphans.contains(id));
        for id in now_orphans {
            dated.entry(*id).or_insert(now);
        }
    }

    async fn state(&self, id: &H::Id) -> Result<State<H::Version>, H> {
        let work = async {
            let meta = self.read_meta(id).await?;
            let envelope = self.host.read_envelope(id).await.map_err(crate::Error::Host)?;
            let whole = match envelope {
                None => None,
                Some(Stored::Good(envelope)) => Some(envelope.without(&[]).is_ok()),
                Some(Stored::Newer) => Some(true),
                Some(Stored::Corrupt) => Some(false),
            };
            Ok(match (meta, whole) {
                (None, None) => State::Gone,
                (Some(Record { meta: Stored::Newer, .. }), _) => State::Whole,
                (_, Some(false)) => State::CorruptEnvelope,
                (None, Some(true)) => State::OrphanEnvelope,
                (Some(Record { meta: Stored::Corrupt, version }), _) => State::CorruptMeta(version),
                (Some(Record { version, .. }), None) => State::OrphanMeta(version),
                (Some(_), Some(true)) => State::Whole,
            })
        };
        self.within(None, &Progress::default(), work).await
    }
}
