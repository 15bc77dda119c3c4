//! The rules of the storage: what each operation reads, decides and commits. How a meta record is
//! changed is in `storage/change.rs`, what all calls are made of in `storage/call.rs`.

mod call;
mod change;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::RwLock;

use crate::cache::{Cache, Cached};
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, finite};
use crate::host::{Batch, Host, Sizes, Stored};
use crate::id::Id;
use crate::locks::{Locks, Progress};
use crate::meta::{Attempts, Change, Changed, Meta};
use crate::sync::Mutex;
use crate::timestamp::Timestamp;
use crate::watch::{Latest, Watchers};

/// How many ids are generated for a message whose inserts fail.
const MOST_IDS: u32 = 16;

/// What a call on a storage over `H` returns.
pub type Result<T, H> = std::result::Result<T, Error<<H as Host>::Error>>;

/// What says of a record whether its message is the one to be removed.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Judge<'a> = dyn Fn(&Meta) -> bool + Send + Sync + 'a;
/// What says of a record whether its message is the one to be removed.
#[cfg(target_family = "wasm")]
pub(crate) type Judge<'a> = dyn Fn(&Meta) -> bool + 'a;

/// A mail queue's storage over two dictionaries, after slimta's
/// [`QueueStorage`](https://slimta.org/en/latest/api/slimta.queue.html): each message is an envelope
/// in one dictionary and a small meta record in the other, under one id.
///
/// Calls may overlap. Those on one message follow each other in the order in which their futures
/// are first polled; changes that wait for one message together share a commit. Against other
/// writers, a change whose record was changed by them reads again and is made on top.
///
/// ```
/// use slimta_queue_dict::{DictStorage, Envelope, MemoryHost};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let storage = DictStorage::new(MemoryHost::new());
/// let envelope = Envelope {
///     sender: Some("me@example.com".into()),
///     recipients: vec!["you@example.com".into(), "them@example.com".into()],
///     ..Envelope::default()
/// };
/// let id = storage.write(envelope, 1000.0, None).await?;
/// storage.set_recipients_delivered(&id, &[0]).await?;
/// let queued = storage.get(&id).await?;
/// assert_eq!(queued.envelope.recipients, ["them@example.com"]);
/// assert_eq!(queued.indexes, [1]); // its position in the original list
/// # Ok::<(), slimta_queue_dict::Error<std::convert::Infallible>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DictStorage<H: Host> {
    pub(crate) host: H,
    deadline: Option<Duration>,
    locks: Locks<Change, Result<Changed, H>>,
    cache: Cache<H::Version>,
    /// Every call has it for reading; `close` waits until it has it for itself, and says in it how far it came.
    calls: RwLock<Closing>,
    closed: AtomicBool,
    pub(crate) watchers: Watchers,
    /// Whether the host was asked to tell of what others change.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) subscribed: AtomicBool,
    /// When an orphan envelope was seen first, on the host's clock.
    pub(crate) orphans: Mutex<HashMap<Id, f64>>,
}

/// How far [`DictStorage::close`] came.
#[derive(Debug, Default)]
struct Closing {
    /// Whether the host has answered.
    is_done: bool,
}

/// A message as [`DictStorage::get`] shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued<E> {
    /// The envelope with the recipients that are still to be delivered to.
    pub envelope: E,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// The position of each of these recipients in the original list.
    pub indexes: Vec<u32>,
}

impl<H: Host> fmt::Debug for DictStorage<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DictStorage").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl<H: Host> DictStorage<H> {
    /// A storage over `host`, without a deadline.
    pub fn new(host: H) -> Self {
        Self {
            host,
            deadline: None,
            locks: Locks::default(),
            cache: Cache::default(),
            calls: RwLock::default(),
            closed: AtomicBool::default(),
            watchers: Watchers::default(),
            #[cfg(not(target_family = "wasm"))]
            subscribed: AtomicBool::default(),
            orphans: Mutex::default(),
        }
    }

    /// The same storage, each of whose calls ends within this time: with [`Error::Timeout`] when
    /// nothing was handed to the host, with [`Error::UnknownOutcome`] when something was, with [`Error::Conflict`] when
    /// others changed the message each time. Without one, a change is tried until it is made: 16 times on a host that
    /// answers at once.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Stores a message whose first attempt is due at `timestamp`, a `SystemTime` or a number, and returns
    /// its id: `id` if one is given, else a fresh one. When this returns, both records are as durable as the host makes
    /// them. A message that is already there under the given id stays as it is, so a write whose
    /// outcome is unknown can be repeated.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a timestamp that is not finite or an envelope that could not be sent
    /// as it stands; nothing was written then. [`Error::Random`], [`Error::Host`],
    /// [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`]; [`Error::Conflict`] where a host refuses every id,
    /// or others write the same one until the deadline.
    pub async fn write(&self, envelope: H::Envelope, timestamp: impl Into<Timestamp>, id: Option<Id>) -> Result<Id, H> {
        self.write_with(envelope, Meta::new(timestamp.into().as_millis()), id).await
    }

    /// The same with a record.
    pub(crate) async fn write_with(&self, envelope: H::Envelope, meta: Meta, id: Option<Id>) -> Result<Id, H> {
        finite("timestamp", meta.timestamp)?;
        envelope.check()?;
        let (_call, progress) = (self.begin()?, Progress::default());
        self.before_deadline(&progress, async {
            let mut round = 0;
            loop {
                let name = id.map_or_else(Id::generate, Ok).map_err(Error::Random)?;
                let _place = self.enter(name).await;
                if self.insert(name, &envelope, &meta, id.is_some(), &progress).await? {
                    return Ok(name);
                }
                if id.is_none() && round >= MOST_IDS {
                    return Err(Error::Conflict(name)); // a host that refuses every id
                }
                self.back_off(name, &mut round).await?;
            }
        })
        .await
    }

    /// Sets the time of the next attempt.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a timestamp that is not finite, [`Error::NoSuchMessage`], and those of
    /// every change: [`Error::Corrupt`], [`Error::NewerFormat`], [`Error::Conflict`],
    /// [`Error::Host`], [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn set_timestamp(&self, id: &Id, timestamp: impl Into<Timestamp>) -> Result<(), H> {
        let timestamp = Some(timestamp.into().as_millis());
        self.make(*id, Change { timestamp, ..Change::default() }).await.map(drop)
    }

    /// Counts one attempt more and returns how many there are now.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] and those of every change, as in [`DictStorage::set_timestamp`].
    pub async fn increment_attempts(&self, id: &Id) -> Result<u32, H> {
        let change = Change { attempts: Some(Attempts::Increment), ..Change::default() };
        self.make(*id, change).await.map(|changed| changed.attempts)
    }

    /// Marks recipients as delivered, by their positions in the original list. Calls add up and
    /// repeats do nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a position is not in the original list; none is marked then.
    /// [`Error::NoSuchMessage`] and those of every change, as in [`DictStorage::set_timestamp`].
    pub async fn set_recipients_delivered(&self, id: &Id, indexes: &[u32]) -> Result<(), H> {
        self.make(*id, Change { delivered: indexes.to_vec(), ..Change::default() }).await.map(drop)
    }

    /// Makes several changes of one meta record in one commit; false, and nothing changed, when the
    /// record is not as expected.
    ///
    /// # Errors
    /// Those of the single changes.
    pub async fn change(&self, id: &Id, change: Change) -> Result<bool, H> {
        self.make(*id, change).await.map(|changed| changed.applied)
    }

    /// Returns a message: its envelope without the recipients already delivered, the number of
    /// attempts, and the original positions of the remaining recipients. Waits for what is being
    /// committed of this message through this storage.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`], [`Error::Corrupt`], [`Error::NewerFormat`], [`Error::Host`],
    /// [`Error::Timeout`], [`Error::Closed`].
    pub async fn get(&self, id: &Id) -> Result<Queued<H::Envelope>, H> {
        let (meta, envelope) = self.get_whole(id).await?;
        let indexes = meta.left(envelope.recipient_count());
        let envelope = envelope.without(&meta.delivered).map_err(|_| Error::Corrupt(*id))?;
        Ok(Queued { envelope, attempts: meta.attempts, indexes })
    }

    /// Returns the record of a message, and its envelope as it was written.
    pub(crate) async fn get_whole(&self, id: &Id) -> Result<(Meta, H::Envelope), H> {
        let (id, _call) = (*id, self.begin()?);
        self.before_deadline(&Progress::default(), async {
            self.locks.idle(id).await;
            let Cached { meta, .. } = self.read_record(id).await?;
            Ok((meta, self.read_envelope(id).await?))
        })
        .await
    }

    /// Returns what the meta record of a message says, if there is one.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn get_meta(&self, id: &Id) -> Result<Option<Stored<Meta>>, H> {
        let (id, _call) = (*id, self.begin()?);
        self.before_deadline(&Progress::default(), async {
            self.locks.idle(id).await;
            Ok(self.host.read_meta(id).await.map_err(Error::Host)?.map(|record| record.meta))
        })
        .await
    }

    /// Removes a message. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn remove(&self, id: &Id) -> Result<(), H> {
        self.commit_alone(Batch::remove(*id)).await?;
        self.watchers.notify(*id, Latest::Gone);
        Ok(())
    }

    /// Removes a message whose record says what `holds` accepts; false, and nothing removed, if it does
    /// not.
    pub(crate) async fn remove_if(&self, id: Id, holds: &Judge<'_>) -> Result<bool, H> {
        let (_call, progress) = (self.begin()?, Progress::default());
        let removed = self
            .before_deadline(&progress, async {
                let mut round = 0;
                loop {
                    let _place = self.enter(id).await;
                    let version = match self.cache.take(id).filter(|cached| holds(&cached.meta)) {
                        Some(cached) => cached.version,
                        None => {
                            let Cached { meta, version, .. } = self.read_record(id).await?;
                            if !holds(&meta) {
                                return Ok(false);
                            }
                            version
                        }
                    };
                    if self.commit(Batch::remove_unchanged(id, version), &progress).await? {
                        return Ok(true);
                    }
                    self.back_off(id, &mut round).await?;
                }
            })
            .await?;
        if removed {
            self.watchers.notify(id, Latest::Gone);
        }
        Ok(removed)
    }

    /// Counts the envelopes and the meta records.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn get_info(&self) -> Result<Sizes, H> {
        let _call = self.begin()?;
        self.before_deadline(&Progress::default(), async {
            self.locks.all_idle().await;
            self.host.sizes().await.map_err(Error::Host)
        })
        .await
    }

    /// Refuses every later call with [`Error::Closed`], lets those under way end, and closes the
    /// host. Once the host has answered, closing again does nothing. Where a call of this was given up before,
    /// the next one waits in its place.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`].
    pub async fn close(&self) -> Result<(), H> {
        self.shut();
        self.before_deadline(&Progress::default(), async {
            let mut alone = self.calls.write().await;
            if alone.is_done {
                return Ok(());
            }
            let closed = self.host.close().await;
            alone.is_done = true;
            closed.map_err(Error::Host)
        })
        .await
    }

    /// Whether calls can be made.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub(crate) fn check_open(&self) -> Result<(), H> {
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Refuses every later call.
    pub(crate) fn shut(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.watchers.close();
    }

    /// Stores a message; false if its id was taken meanwhile.
    async fn insert(
        &self,
        id: Id,
        envelope: &H::Envelope,
        meta: &Meta,
        given: bool,
        progress: &Progress,
    ) -> Result<bool, H> {
        let made = self.commit(Batch::write(id, envelope.clone(), meta.clone()), progress).await?;
        if !made {
            if !given {
                return Ok(false);
            }
            if self.host.read_meta(id).await.map_err(Error::Host)?.is_some() {
                return Ok(true);
            }
            // An envelope alone is what an interrupted write of this id has left: it is completed,
            // or the id would be acknowledged and shown by no list.
            if !self.commit(Batch::complete(id, envelope.clone(), meta.clone()), progress).await? {
                return Ok(false);
            }
        }
        self.keep_in_cache(id, meta.clone(), Some(envelope.recipient_count()));
        self.watchers.notify(id, Latest::At(meta.timestamp, 0));
        Ok(true)
    }
}
