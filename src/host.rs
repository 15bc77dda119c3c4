//! The seam between the rules of the queue and whatever keeps the two dictionaries.
//!
//! Every operation of a storage reads what it needs, decides, and hands the host one [`Batch`].
//! Nothing of the host stays open between its answers.
//!
//! # The order of writes
//!
//! A host that cannot write a batch all or nothing makes its writes one after another, in the
//! order given. The order alone keeps a crash from doing harm: a new message is its envelope first
//! and its meta record second, a removed one loses its meta record first and its envelope second,
//! and messages are listed by their meta records. So a crash leaves at worst an envelope that no
//! list shows, never a listed id without mail. The constructors of [`Batch`] are the only
//! place that knows this order.

use core::fmt::Debug;
use core::future::Future;
use core::time::Duration;

use crate::envelope::EnvelopeHandle;
use crate::id::Id;
use crate::meta::Meta;

/// Which of the two dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dict {
    /// The envelopes, which never change.
    Envelope,
    /// The meta records, which do.
    Meta,
}

/// How a host names a message: an [`Id`], and whatever else it keeps beside that.
pub trait HostId: Clone + Debug {
    /// The id itself.
    fn id(&self) -> Id;
}

impl HostId for Id {
    fn id(&self) -> Id {
        *self
    }
}

/// What stood in a dictionary.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored<T> {
    /// A record as a storage writes it.
    Good(T),
    /// Something that no storage writes.
    Corrupt,
    /// A record of a format newer than this library.
    Newer,
}

/// A meta record and the host's mark of the state in which it was read.
#[derive(Clone, Debug)]
pub struct Record<V> {
    /// What stood there.
    pub meta: Stored<Meta>,
    /// Lets the host tell, at a commit, whether it is still what was read.
    pub version: V,
}

/// Some entries of one dictionary.
#[derive(Debug)]
pub struct Page<I, C> {
    /// The ids, each with what stood there if the dictionary is [`Dict::Meta`].
    pub entries: Vec<(I, Option<Stored<Meta>>)>,
    /// Keys that are no ids of messages.
    pub strangers: Vec<String>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<C>,
}

/// How many entries the dictionaries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Envelopes, those included that no list shows.
    pub size: u64,
    /// Meta records: the messages.
    pub meta_size: u64,
}

/// One condition of a [`Batch`].
#[derive(Clone, Debug, PartialEq)]
pub enum Check<I, V> {
    /// Nothing stands there.
    Absent(Dict, I),
    /// The meta record is still the one that was read.
    Unchanged(I, V),
}

/// One write of a [`Batch`].
#[derive(Clone, Debug, PartialEq)]
pub enum Write<I, E> {
    /// Puts an envelope.
    Envelope(I, E),
    /// Puts a meta record.
    Meta(I, Meta),
    /// Deletes what stands there, if anything does.
    Delete(Dict, I),
}

/// Checks and writes to be made all or nothing: if a check fails, nothing is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<I, E, V> {
    /// The conditions, all of which must hold where the writes are made.
    pub checks: Vec<Check<I, V>>,
    /// The writes, in the order in which a host that is not atomic must make them.
    pub writes: Vec<Write<I, E>>,
}

impl<I: Clone, E, V> Batch<I, E, V> {
    /// A new message: the envelope, then the meta record that makes it visible.
    pub fn write(id: &I, envelope: E, meta: Meta) -> Self {
        Self {
            checks: vec![Check::Absent(Dict::Envelope, id.clone())],
            writes: vec![Write::Envelope(id.clone(), envelope), Write::Meta(id.clone(), meta)],
        }
    }

    /// A new message whose envelope may be there already, left by a write that was interrupted.
    pub fn complete(id: &I, envelope: E, meta: Meta) -> Self {
        let checks = vec![Check::Absent(Dict::Meta, id.clone())];
        Self { checks, ..Self::write(id, envelope, meta) }
    }

    /// A message that goes: first out of every list, then altogether.
    pub fn remove(id: &I) -> Self {
        Self {
            checks: Vec::new(),
            writes: vec![Write::Delete(Dict::Meta, id.clone()), Write::Delete(Dict::Envelope, id.clone())],
        }
    }

    /// A meta record that changes, if it is still the one that was read.
    pub fn change(id: &I, version: V, meta: Meta) -> Self {
        Self { checks: vec![Check::Unchanged(id.clone(), version)], writes: vec![Write::Meta(id.clone(), meta)] }
    }

    /// A message that is listed again under a fresh meta record; `version` is that of the record
    /// which stands there now, if one does.
    pub fn requeue(id: &I, version: Option<V>, meta: Meta) -> Self {
        let check = match version {
            Some(version) => Check::Unchanged(id.clone(), version),
            None => Check::Absent(Dict::Meta, id.clone()),
        };
        Self { checks: vec![check], writes: vec![Write::Meta(id.clone(), meta)] }
    }

    /// An envelope without a meta record that goes, unless it has one by then.
    pub fn clear_envelope(id: &I) -> Self {
        Self {
            checks: vec![Check::Absent(Dict::Meta, id.clone())],
            writes: vec![Write::Delete(Dict::Envelope, id.clone())],
        }
    }

    /// A meta record without an envelope that goes, unless it has one by then.
    pub fn clear_meta(id: &I, version: V) -> Self {
        Self {
            checks: vec![Check::Absent(Dict::Envelope, id.clone()), Check::Unchanged(id.clone(), version)],
            writes: vec![Write::Delete(Dict::Meta, id.clone())],
        }
    }
}

/// The batch that a host takes.
pub type BatchOf<H> = Batch<<H as Host>::Id, <H as Host>::Envelope, <H as Host>::Version>;

/// What keeps the two dictionaries, and what the storage needs besides: a clock to wait by.
///
/// The futures may be ready at once; a storage over such a host never waits. A storage is `Send`
/// and its futures are, when the host and its futures are.
pub trait Host {
    /// How this host names a message.
    type Id: HostId;
    /// What this host keeps as an envelope.
    type Envelope: EnvelopeHandle;
    /// Whatever lets the host tell "still what you read".
    type Version: Clone + Debug;
    /// Where a page begins.
    type Cursor;
    /// What the host throws.
    type Error: Clone + Debug;

    /// This host's name of a message that the storage has named.
    fn name(&self, id: Id) -> Self::Id;

    /// Reads a meta record; `None` when there is none.
    fn read_meta(&self, id: &Self::Id) -> impl Future<Output = Result<Option<Record<Self::Version>>, Self::Error>>;

    /// Reads an envelope; `None` when there is none. It may be a handle on what is kept: the
    /// storage gives out only what [`EnvelopeHandle::without`] makes of it.
    fn read_envelope(&self, id: &Self::Id)
    -> impl Future<Output = Result<Option<Stored<Self::Envelope>>, Self::Error>>;

    /// Makes all writes of a batch if all its checks hold, and tells whether it did. When it
    /// answers, the writes are as durable as the host makes them.
    fn commit(&self, batch: BatchOf<Self>) -> impl Future<Output = Result<bool, Self::Error>>;

    /// Commits a [`Batch::change`], as [`Host::commit`] does, for a host that answers at once: it may
    /// do so without the lists of a batch.
    fn commit_change(
        &self,
        id: &Self::Id,
        version: Self::Version,
        meta: &Meta,
    ) -> impl Future<Output = Result<bool, Self::Error>> {
        self.commit(Batch::change(id, version, meta.clone()))
    }

    /// Reads the next entries of a dictionary, `None` beginning at the first, in an order that
    /// changes of other entries do not disturb. A page may be empty and still have a next one.
    #[allow(clippy::type_complexity)]
    fn page(
        &self,
        dict: Dict,
        cursor: Option<Self::Cursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<Self::Id, Self::Cursor>, Self::Error>>;

    /// Counts the entries of both dictionaries.
    fn sizes(&self) -> impl Future<Output = Result<Sizes, Self::Error>>;

    /// Is ready when the time has passed. Dropping the future ends the timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Milliseconds on a clock that never goes back.
    fn now(&self) -> f64;

    /// The version that a record has once it was committed as `meta`, for a host that can tell
    /// without being asked: it lets the storage make its next change without reading first.
    fn version_of(&self, meta: &Meta) -> Option<Self::Version> {
        let _ = meta;
        None
    }

    /// Whether a call can begin while another one waits for this host. Where none can, operations
    /// follow each other by themselves.
    fn overlaps(&self) -> bool {
        true
    }

    /// Whether the error means that the host does not know if a batch was committed.
    fn is_unknown_outcome(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Gives back what the host holds. Called once, after the last other call has ended.
    fn close(&self) -> impl Future<Output = Result<(), Self::Error>> {
        core::future::ready(Ok(()))
    }
}
