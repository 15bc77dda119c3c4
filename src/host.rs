//! What keeps the two dictionaries, as the rules of the storage see it.
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

use std::any::Any;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::time::Duration;

use crate::envelope::EnvelopeHandle;
use crate::id::Id;
use crate::meta::Meta;
use crate::send::{MaybeSend, MaybeSync};

pub use crate::watch::ChangeListener;

/// Which of the two dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dict {
    /// The envelopes, which never change.
    Envelope,
    /// The meta records, which do.
    Meta,
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
pub struct Page<C> {
    /// The ids, each with what stood there if the dictionary is [`Dict::Meta`].
    pub entries: Vec<(Id, Option<Stored<Meta>>)>,
    /// Keys that are no ids of messages.
    pub foreign_keys: Vec<String>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<C>,
}

/// How many entries the dictionaries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize))]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), serde(rename_all = "camelCase"))]
pub struct Sizes {
    /// Envelopes, those included that no list shows.
    pub size: u64,
    /// Meta records: the messages.
    pub meta_size: u64,
}

/// One condition of a [`Batch`].
#[derive(Clone, Debug, PartialEq)]
pub enum Check<V> {
    /// Nothing stands in this dictionary.
    Absent(Dict),
    /// The meta record is still the one that was read.
    Unchanged(V),
}

/// One write of a [`Batch`].
#[derive(Clone, Debug, PartialEq)]
pub enum Write<E> {
    /// Puts an envelope.
    Envelope(E),
    /// Puts a meta record.
    Meta(Meta),
    /// Deletes what stands in this dictionary, if anything does.
    Delete(Dict),
}

/// Checks and writes on one message, to be made all or nothing: if a check fails, nothing is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<E, V> {
    /// The message.
    pub id: Id,
    /// The conditions, all of which must hold where the writes are made.
    pub checks: Vec<Check<V>>,
    /// The writes, in the order in which a host that is not atomic must make them.
    pub writes: Vec<Write<E>>,
}

impl<E, V> Batch<E, V> {
    /// A new message: the envelope, then the meta record that makes it visible.
    pub fn write(id: Id, envelope: E, meta: Meta) -> Self {
        let checks = vec![Check::Absent(Dict::Envelope)];
        Self { id, checks, writes: vec![Write::Envelope(envelope), Write::Meta(meta)] }
    }

    /// A new message whose envelope may be there already, left by a write that was interrupted.
    pub fn complete(id: Id, envelope: E, meta: Meta) -> Self {
        Self { checks: vec![Check::Absent(Dict::Meta)], ..Self::write(id, envelope, meta) }
    }

    /// A message that goes: first out of every list, then altogether.
    pub fn remove(id: Id) -> Self {
        Self { id, checks: Vec::new(), writes: vec![Write::Delete(Dict::Meta), Write::Delete(Dict::Envelope)] }
    }

    /// A message that goes, if its meta record is still the one that was read.
    pub fn remove_unchanged(id: Id, version: V) -> Self {
        Self { checks: vec![Check::Unchanged(version)], ..Self::remove(id) }
    }

    /// A meta record that changes, if it is still the one that was read.
    pub fn change(id: Id, version: V, meta: Meta) -> Self {
        Self { id, checks: vec![Check::Unchanged(version)], writes: vec![Write::Meta(meta)] }
    }

    /// A message that is listed again under a fresh meta record; `version` is that of the record
    /// which stands there now, if one does.
    pub fn requeue(id: Id, version: Option<V>, meta: Meta) -> Self {
        let check = version.map_or(Check::Absent(Dict::Meta), Check::Unchanged);
        Self { id, checks: vec![check], writes: vec![Write::Meta(meta)] }
    }

    /// An envelope without a meta record that goes, unless it has one by then.
    pub fn clear_envelope(id: Id) -> Self {
        Self { id, checks: vec![Check::Absent(Dict::Meta)], writes: vec![Write::Delete(Dict::Envelope)] }
    }

    /// A meta record without an envelope that goes, unless it has one by then.
    pub fn clear_meta(id: Id, version: V) -> Self {
        let checks = vec![Check::Absent(Dict::Envelope), Check::Unchanged(version)];
        Self { id, checks, writes: vec![Write::Delete(Dict::Meta)] }
    }
}

/// The batch that a host takes.
pub type BatchOf<H> = Batch<<H as Host>::Envelope, <H as Host>::Version>;

/// What [`Host::attempt_alone`] gives.
#[cfg(not(target_family = "wasm"))]
pub type Alone = Box<dyn Any + Send + Sync>;
/// What [`Host::attempt_alone`] gives.
#[cfg(target_family = "wasm")]
pub type Alone = Box<dyn Any>;

/// What keeps the two dictionaries, and what the storage needs besides: a clock to wait by.
///
/// The futures may be ready at once; a storage over such a host never waits. Natively a host and its
/// futures are `Send` ([`MaybeSend`]), so that storages and queues are, over any host, and their futures
/// can be spawned:
///
/// ```
/// use slimta_queue_dict::{DictStorage, Host, Id, Result};
/// use std::sync::Arc;
///
/// async fn write<H: Host + 'static>(storage: Arc<DictStorage<H>>, envelope: H::Envelope) -> Result<Id, H> {
///     let work = tokio::spawn(async move { storage.write(envelope, 0.0, None).await });
///     work.await.expect("it does not panic")
/// }
/// ```
pub trait Host: MaybeSend + MaybeSync {
    /// What this host keeps as an envelope.
    type Envelope: EnvelopeHandle;
    /// Whatever lets the host tell "still what you read".
    type Version: Clone + Debug + MaybeSend + MaybeSync;
    /// Where a page begins.
    type Cursor: Clone + MaybeSend + MaybeSync;
    /// What the host throws.
    type Error: Clone + Debug + MaybeSend + MaybeSync;

    /// Reads a meta record; `None` when there is none. The error of this call, and of any other that reads, reaches the
    /// caller as [`Error::Host`](crate::Error::Host).
    fn read_meta(&self, id: Id)
    -> impl Future<Output = Result<Option<Record<Self::Version>>, Self::Error>> + MaybeSend;

    /// Reads an envelope; `None` when there is none. It may be a handle on what is kept: the
    /// storage gives out only what [`EnvelopeHandle::without`] makes of it.
    fn read_envelope(
        &self,
        id: Id,
    ) -> impl Future<Output = Result<Option<Stored<Self::Envelope>>, Self::Error>> + MaybeSend;

    /// Makes all writes of a batch if all its checks hold, and tells whether it did. When it
    /// answers, the writes are as durable as the host makes them. An error says that nothing was written, unless
    /// [`Host::is_unknown_outcome`] says otherwise of it. A host that cannot write all or nothing makes the writes in
    /// their order.
    fn commit(&self, batch: BatchOf<Self>) -> impl Future<Output = Result<bool, Self::Error>> + MaybeSend;

    /// Reads the next entries of a dictionary, `None` beginning at the first, in an order that
    /// changes of other entries do not disturb. A page may be empty and still have a next one.
    fn page(
        &self,
        dict: Dict,
        cursor: Option<Self::Cursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<Self::Cursor>, Self::Error>> + MaybeSend;

    /// Counts the entries of both dictionaries.
    fn sizes(&self) -> impl Future<Output = Result<Sizes, Self::Error>> + MaybeSend;

    /// Is ready when the time has passed. Dropping the future ends the timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + MaybeSend;

    /// Milliseconds on a clock that never goes back.
    fn now(&self) -> f64;

    /// The version that a record has once it was committed as `meta`, for a host that can tell
    /// without being asked: it lets the storage make its next change without reading first.
    fn version_of(&self, meta: &Meta) -> Option<Self::Version> {
        let _ = meta;
        None
    }

    /// Where a page begins that has what comes after this message, be it there or not. A host whose pages
    /// are in the order of ids can tell; others have everything before it listed again.
    fn cursor_after(&self, id: Id) -> Option<Self::Cursor> {
        let _ = id;
        None
    }

    /// Whether every future of this host is ready when it is first polled. Operations then follow
    /// each other by themselves, and the storage neither waits for turns nor remembers records.
    fn is_sync(&self) -> bool {
        false
    }

    /// Whether one process alone can have what this host keeps: a queue that is not of this process is
    /// gone then, and what it had claimed is free.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Whether the other host keeps everything where this one does, as far as it can tell: a queue takes no
    /// storage there for its dead letters.
    fn is_same_place(&self, other: &Self) -> bool {
        let _ = other;
        false
    }

    /// Whether the error means that the host does not know if a batch was committed.
    fn is_unknown_outcome(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether the error means that a record is larger than the host takes. Nothing was written then.
    fn is_too_large(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether the error means that there is no room. Nothing was written then.
    fn is_full(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// While a host is full, nothing can be claimed. Something as long as which lives the caller is the only one
    /// who attempts what it cannot claim, by the name under which it claims otherwise; `None` if somebody else
    /// does, or if the host cannot tell.
    fn attempt_alone(&self, owner: &str) -> impl Future<Output = Option<Alone>> + MaybeSend {
        let _ = owner;
        ready(None)
    }

    /// Tells a storage, from now on, of the messages that others change. Called once, when somebody waits
    /// at that storage or runs a queue on it. A host that never tells leaves it to them to look through
    /// everything now and then.
    fn subscribe(&self, listener: ChangeListener) {
        let _ = listener;
    }

    /// Gives back what the host holds. Called after the last other call has ended: once, and again where that call was
    /// given up before it had answered. Its error reaches whoever closes the storage.
    fn close(&self) -> impl Future<Output = Result<(), Self::Error>> + MaybeSend {
        std::future::ready(Ok(()))
    }
}
