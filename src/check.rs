//! Finding and clearing what crashes and strangers have left behind.

use crate::host::{Batch, BatchOf, Dict, Host, HostId, Page, Record, Stored};
use crate::meta::Meta;
use crate::rules::{Operation, Outcome, State};
use crate::storage::{DictStorage, Result};
use crate::sync::lock;

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
        self.examine(Examination::new(self, None)).await
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
        self.examine(Examination::new(self, Some(repair))).await
    }

    async fn examine(&self, mut examination: Examination<H>) -> Result<Findings, H> {
        let mut outcome = None;
        loop {
            match examination.step(self, outcome.take()) {
                Step::Do(operation) => outcome = Some(self.ask(operation).await?),
                Step::Done(findings) => return Ok(findings),
            }
        }
    }
}

/// What an examination does next.
pub(crate) enum Step<H: Host> {
    Do(Operation<H>),
    Done(Findings),
}

/// A check, or a repair: an operation after the other, each decided by what the one before came to.
pub(crate) struct Examination<H: Host> {
    repairs: bool,
    examined: bool,
    min_age: f64,
    round: u64,
    asked: Asked<H::Id>,
    /// Messages to list again.
    requeue: std::vec::IntoIter<H::Id>,
    /// The next page to read.
    page: Option<(Dict, Option<H::Cursor>)>,
    dict: Dict,
    /// Of the page that was read last.
    ids: std::vec::IntoIter<H::Id>,
    /// What was found, and, by a repair, is looked at again to be cleared.
    found: Vec<H::Id>,
    clear: std::vec::IntoIter<H::Id>,
    findings: Findings,
    cleared: Findings,
}

/// What the outcome is of that comes next.
enum Asked<I> {
    Nothing,
    Requeue(I),
    Requeued(I),
    Page,
    Look(I),
    Clear(I),
    /// Whether of an envelope.
    Cleared(I, bool),
}

impl<H: Host> Examination<H> {
    pub(crate) fn new(storage: &DictStorage<H>, repair: Option<Repair<H::Id>>) -> Self {
        let repairs = repair.is_some();
        let Repair { min_age, requeue } = repair.unwrap_or_default();
        // Greater than that of every examination so far.
        let round = lock(&storage.orphans).values().map(|(_, round)| *round).max().unwrap_or(0).wrapping_add(1);
        Self {
            repairs,
            examined: false,
            min_age,
            round,
            asked: Asked::Nothing,
            requeue: requeue.into_iter(),
            page: Some((Dict::Envelope, None)),
            dict: Dict::Envelope,
            ids: Vec::new().into_iter(),
            found: Vec::new(),
            clear: Vec::new().into_iter(),
            findings: Findings::default(),
            cleared: Findings::default(),
        }
    }

    pub(crate) fn step(&mut self, storage: &DictStorage<H>, outcome: Option<Outcome<H>>) -> Step<H> {
        let asked = core::mem::replace(&mut self.asked, Asked::Nothing);
        match (asked, outcome) {
            (Asked::Page, Some(Outcome::Page(page))) => self.turn(page),
            (Asked::Look(id), Some(Outcome::Examined(state))) => self.judge(storage, id, state),
            (Asked::Requeue(id), Some(Outcome::Examined(state))) => {
                if let Some(version) = to_requeue(state) {
                    let batch = Batch::requeue(&id, version, Meta::new(0.0));
                    self.asked = Asked::Requeued(id.clone());
                    return Step::Do(Operation::Commit(id, batch));
                }
            }
            (Asked::Requeued(id), Some(Outcome::Committed(true))) => {
                storage.watches.notify(id.id());
                self.cleared.corrupt.push(digits(&id));
            }
            (Asked::Clear(id), Some(Outcome::Examined(state))) => {
                if let Some((batch, of_envelope)) = self.to_clear(storage, &id, state) {
                    self.asked = Asked::Cleared(id.clone(), of_envelope);
                    return Step::Do(Operation::Commit(id, batch));
                }
            }
            (Asked::Cleared(id, of_envelope), Some(Outcome::Committed(true))) => {
                let Findings { orphan_envelopes, orphan_meta, .. } = &mut self.cleared;
                (if of_envelope { orphan_envelopes } else { orphan_meta }).push(digits(&id));
                lock(&storage.orphans).remove(id.id());
            }
            _ => {}
        }
        self.next(storage)
    }

    fn next(&mut self, storage: &DictStorage<H>) -> Step<H> {
        let id = if let Some(id) = self.requeue.next() {
            self.asked = Asked::Requeue(id.clone());
            id
        } else if let Some(id) = self.ids.next() {
            self.asked = Asked::Look(id.clone());
            id
        } else if let Some((dict, cursor)) = self.page.take() {
            self.asked = Asked::Page;
            self.dict = dict;
            return Step::Do(Operation::Page(dict, cursor));
        } else {
            if !self.examined {
                self.examined = true;
                let round = self.round;
                lock(&storage.orphans).retain(|_, (_, seen)| *seen == round);
                self.clear = core::mem::take(&mut self.found).into_iter();
            }
            if !self.repairs {
                return Step::Done(core::mem::take(&mut self.findings));
            }
            let Some(id) = self.clear.next() else { return Step::Done(core::mem::take(&mut self.cleared)) };
            self.asked = Asked::Clear(id.clone());
            id
        };
        Step::Do(Operation::Examine(id))
    }

    /// A page is there.
    fn turn(&mut self, page: Page<H::Id, H::Cursor>) {
        self.findings.corrupt.extend(page.strangers);
        self.ids = page.entries.into_iter().map(|(id, _)| id).collect::<Vec<_>>().into_iter();
        self.page = match (page.next, self.dict) {
            (Some(next), dict) => Some((dict, Some(next))),
            (None, Dict::Envelope) => Some((Dict::Meta, None)),
            (None, Dict::Meta) => None,
        };
    }

    /// What stands under an id, as a finding if it is one.
    fn judge(&mut self, storage: &DictStorage<H>, id: H::Id, state: State<H::Version>) {
        if self.dict == Dict::Meta && state.envelope.is_some() {
            return; // it was looked at as an envelope
        }
        let list = match (state.meta.map(|record| record.meta), state.envelope) {
            (None, None) | (Some(Stored::Good(_)), Some(true)) => return,
            (_, Some(false)) | (Some(Stored::Corrupt | Stored::Newer), _) => &mut self.findings.corrupt,
            (None, Some(true)) => {
                let now = storage.host.now();
                let mut orphans = lock(&storage.orphans);
                let since = orphans.get(id.id()).map_or(now, |(since, _)| *since);
                orphans.insert(id.id(), (since, self.round));
                &mut self.findings.orphan_envelopes
            }
            (Some(Stored::Good(_)), None) => &mut self.findings.orphan_meta,
        };
        list.push(digits(&id));
        self.found.push(id);
    }

    /// What clears an orphan, and whether it is an envelope.
    fn to_clear(&self, storage: &DictStorage<H>, id: &H::Id, state: State<H::Version>) -> Option<(BatchOf<H>, bool)> {
        match state {
            State { meta: None, envelope: Some(true) } => {
                let now = storage.host.now();
                let since = lock(&storage.orphans).get(id.id()).map_or(now, |(since, _)| *since);
                (now - since >= self.min_age).then(|| (Batch::clear_envelope(id), true))
            }
            State { meta: Some(Record { meta: Stored::Good(_), version }), envelope: None } => {
                Some((Batch::clear_meta(id, version), false))
            }
            _ => None,
        }
    }
}

/// The version of the meta record that a fresh one may replace, if one may.
fn to_requeue<V>(state: State<V>) -> Option<Option<V>> {
    match state {
        State { meta: None, envelope: Some(true) } => Some(None),
        State { meta: Some(Record { meta: Stored::Corrupt, version }), envelope: Some(true) } => Some(Some(version)),
        _ => None,
    }
}
