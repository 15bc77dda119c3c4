//! The rules of the storage: what each operation reads, decides and commits.

use crate::ask::{Ask, Asked, Stop};
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, Got, Invalid, finite};
use crate::host::{Batch, BatchOf, Dict, Host, HostId, Page, Record, Sizes, Stored};
use crate::known::Known;
use crate::meta::{Change, Lease, Meta};
use crate::storage::{Queued, Result};

/// An operation on the host.
pub(crate) enum Operation<H: Host> {
    /// A new message; an id that the caller chose may be there already.
    Write { id: H::Id, envelope: H::Envelope, timestamp: f64, given: bool },
    /// Several changes of one record, which is remembered if a version is given.
    Change { id: H::Id, changes: Vec<Option<Change>>, known: Option<Box<Known<H::Version>>> },
    /// A message as its deliverer sees it.
    Get(H::Id),
    /// A message that goes.
    Remove(H::Id),
    /// A batch that depends on nothing but its own checks.
    Commit(H::Id, BatchOf<H>),
    /// A meta record alone.
    Look(H::Id),
    /// Both records.
    Examine(H::Id),
    /// The next entries of a dictionary.
    Page(Dict, Option<H::Cursor>),
    /// The sizes of both dictionaries.
    Sizes,
    /// The end, when all other calls have ended.
    Close,
}

/// What an operation came to.
pub(crate) enum Outcome<H: Host> {
    Committed(bool),
    Changed(Changes<H>),
    Queued(Queued<H::Envelope>),
    Looked(Option<Stored<Meta>>),
    Examined(State<H::Version>),
    Page(Page<H::Id, H::Cursor>),
    Sizes(Sizes),
    Closed,
}

/// What several changes came to.
pub(crate) struct Changes<H: Host> {
    /// By change; `None` where there was none.
    pub(crate) results: Vec<Option<Result<Changed, H>>>,
    /// The record that was committed, if one was.
    pub(crate) meta: Option<Meta>,
    /// Whether the timestamp is another one than before.
    pub(crate) moved: bool,
    pub(crate) recipients: Option<usize>,
}

impl<H: Host> Changes<H> {
    pub(crate) fn one(result: Result<Changed, H>) -> Self {
        Self { results: vec![Some(result)], meta: None, moved: false, recipients: None }
    }

    /// The result of a change that was asked for alone.
    pub(crate) fn only(mut self) -> Result<Changed, H> {
        self.results.pop().flatten().unwrap_or(Err(Error::Timeout))
    }
}

/// What one change came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) applied: bool,
    pub(crate) attempts: u32,
}

/// What stands in both dictionaries under one id.
pub(crate) struct State<V> {
    pub(crate) meta: Option<Record<V>>,
    /// Whether the envelope can be read, if there is one.
    pub(crate) envelope: Option<bool>,
}

impl<H: Host> Operation<H> {
    /// A change, unless one of its numbers is refused.
    pub(crate) fn change(id: &H::Id, change: Change) -> Result<Self, H> {
        if let Some(timestamp) = change.timestamp {
            finite("timestamp", timestamp)?;
        }
        if let Some(Some(Lease { until, .. })) = &change.lease {
            finite("lease.until", *until)?;
        }
        Ok(Self::Change { id: id.clone(), changes: vec![Some(change)], known: None })
    }

    /// The message that it may change.
    pub(crate) fn id(&self) -> Option<&H::Id> {
        match self {
            Self::Write { id, .. } | Self::Change { id, .. } | Self::Remove(id) | Self::Commit(id, _) => Some(id),
            _ => None,
        }
    }

    pub(crate) fn run(&mut self, ask: &mut Ask<'_, H>) -> Asked<Outcome<H>, H> {
        Ok(match self {
            Self::Write { id, envelope, timestamp, given } => {
                Outcome::Committed(write(ask, id, envelope, *timestamp, *given)?)
            }
            Self::Change { id, changes, known } => Outcome::Changed(change(ask, id, changes, known.as_deref())?),
            Self::Get(id) => Outcome::Queued(get(ask, id)?),
            Self::Remove(id) => Outcome::Committed(ask.commit(id, Batch::remove(id))?),
            Self::Commit(id, batch) => Outcome::Committed(ask.commit(id, batch.clone())?),
            Self::Look(id) => Outcome::Looked(ask.meta(id)?.map(|record| record.meta)),
            Self::Examine(id) => Outcome::Examined(examine(ask, id)?),
            Self::Page(dict, cursor) => Outcome::Page(ask.page(*dict, cursor)?),
            Self::Sizes => Outcome::Sizes(ask.sizes()?),
            Self::Close => {
                ask.close()?;
                Outcome::Closed
            }
        })
    }
}

fn write<H: Host>(
    ask: &mut Ask<'_, H>,
    id: &H::Id,
    envelope: &H::Envelope,
    timestamp: f64,
    given: bool,
) -> Asked<bool, H> {
    if ask.commit(id, Batch::write(id, envelope.clone(), Meta::new(timestamp)))? {
        return Ok(true);
    }
    if !given {
        return Ok(false);
    }
    // An envelope alone is what an interrupted write of this id has left: it is completed, or the
    // id would be acknowledged and shown by no list.
    if ask.meta(id)?.is_some() || ask.commit(id, Batch::complete(id, envelope.clone(), Meta::new(timestamp)))? {
        return Ok(true);
    }
    Err(Stop::Again)
}

fn change<H: Host>(
    ask: &mut Ask<'_, H>,
    id: &H::Id,
    changes: &[Option<Change>],
    known: Option<&Known<H::Version>>,
) -> Asked<Changes<H>, H> {
    let marks = changes.iter().flatten().any(|change| !change.delivered.is_empty());
    let mut remembered = known.filter(|_| ask.round == 0);
    loop {
        let from_memory = remembered.is_some();
        // Another message may have the id by now: the count is as old as the record.
        let (meta, version, recipients) = match remembered.take() {
            Some(Known { meta, version, recipients, .. }) => (meta.clone(), version.clone(), *recipients),
            None => {
                let (meta, version) = good_meta(id, ask.meta(id)?)?;
                (meta, version, None)
            }
        };
        let recipients = match recipients {
            None if marks => Some(good(id, ask.envelope(id)?)?.recipient_count()),
            known => known,
        };
        let mut next = meta.clone();
        let mut refused = false;
        let mut results = Vec::with_capacity(changes.len());
        for change in changes {
            results.push(change.as_ref().map(|change| {
                in_range(&change.delivered, recipients.unwrap_or(0)).inspect_err(|_| refused = true)?;
                let applied = change.apply(&mut next);
                refused |= !applied;
                Ok(Changed { applied, attempts: next.attempts })
            }));
        }
        let same = next == meta;
        if from_memory && (refused || same) {
            continue; // a read has to confirm what no commit will check
        }
        if same {
            return Ok(Changes { results, meta: None, moved: false, recipients });
        }
        let moved = next.timestamp != meta.timestamp;
        if ask.change(id, version, &next)? {
            return Ok(Changes { results, meta: Some(next), moved, recipients });
        }
        return Err(Stop::Again);
    }
}

fn get<H: Host>(ask: &mut Ask<'_, H>, id: &H::Id) -> Asked<Queued<H::Envelope>, H> {
    let (meta, _) = good_meta(id, ask.meta(id)?)?;
    let envelope = good(id, ask.envelope(id)?)?;
    let count = envelope.recipient_count();
    let left = |index: &u32| meta.delivered.is_empty() || meta.delivered.binary_search(index).is_err();
    let indexes = (0_u32..).take(count).filter(left).collect();
    let envelope = envelope.without(&meta.delivered).map_err(|_| Error::Corrupt(id.id()))?;
    Ok(Queued { envelope, attempts: meta.attempts, indexes })
}

fn examine<H: Host>(ask: &mut Ask<'_, H>, id: &H::Id) -> Asked<State<H::Version>, H> {
    let meta = ask.meta(id)?;
    let envelope = ask.envelope(id)?.map(|stored| match stored {
        Stored::Good(envelope) => envelope.without(&[]).is_ok(),
        Stored::Newer | Stored::Corrupt => false,
    });
    Ok(State { meta, envelope })
}

fn in_range<E>(indexes: &[u32], recipients: usize) -> core::result::Result<(), Error<E>> {
    for (position, index) in indexes.iter().enumerate() {
        if usize::try_from(*index).is_ok_and(|index| index < recipients) {
            continue;
        }
        return Err(Error::from(Invalid {
            argument: "rcptIndexes",
            index: Some(position),
            part: None,
            expected: "a position in the original list of recipients",
            got: Got::Number(f64::from(*index)),
        }));
    }
    Ok(())
}

fn good<T, E>(id: &impl HostId, stored: Option<Stored<T>>) -> core::result::Result<T, Error<E>> {
    match stored {
        Some(Stored::Good(value)) => Ok(value),
        Some(Stored::Corrupt) => Err(Error::Corrupt(id.id())),
        Some(Stored::Newer) => Err(Error::NewerFormat(id.id())),
        None => Err(Error::NoSuchMessage(id.id())),
    }
}

fn good_meta<V, E>(id: &impl HostId, record: Option<Record<V>>) -> core::result::Result<(Meta, V), Error<E>> {
    let Some(Record { meta, version }) = record else { return Err(Error::NoSuchMessage(id.id())) };
    Ok((good(id, Some(meta))?, version))
}
