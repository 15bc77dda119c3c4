//! The rules of the storage: what each operation reads, decides and commits.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::cache::{Cache, Known};
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, Got, Invalid, finite};
use crate::host::{Batch, BatchOf, Dict, Host, Page, Record, Sizes, Stored};
use crate::id::Id;
use crate::locks::{Locks, Place, Progress, Turn};
use crate::meta::{Attempts, Change, Lease, Meta};
use crate::sync::Mutex;
use crate::watch::{Latest, Watchers};

/// What a call on a storage over `H` returns.
pub type Result<T, H> = std::result::Result<T, Error<<H as Host>::Error>>;

/// How often a host that cannot be waited for is asked again after a failed check, and how many
/// ids are drawn for a message whose inserts fail.
const TRIES: u32 = 16;
/// How many entries are asked for at once.
const PAGE: u32 = 1000;

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
    /// Every call has it for reading; `close` waits until it has it for itself.
    calls: RwLock<()>,
    closed: AtomicBool,
    pub(crate) watchers: Watchers,
    /// When an orphan envelope was seen first, on the host's clock.
    pub(crate) orphans: Mutex<HashMap<Id, f64>>,
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

/// What one change came to.
#[derive(Clone, Copy, Debug)]
struct Changed {
    applied: bool,
    attempts: u32,
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
            orphans: Mutex::default(),
        }
    }

    /// The same storage, each of whose calls ends within this time: with [`Error::Timeout`] when
    /// nothing was handed to the host, with [`Error::UnknownOutcome`] when something was.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Stores a message whose first attempt is due at `timestamp`, and returns its id: `id` if one
    /// is given, else a fresh one. When this returns, both records are as durable as the host makes
    /// them. A message that is already there under the given id stays as it is, so a write whose
    /// outcome is unknown can be repeated.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a timestamp that is not finite or an envelope that could not be sent
    /// as it stands; nothing was written then. [`Error::Random`], [`Error::Host`],
    /// [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn write(&self, envelope: H::Envelope, timestamp: f64, id: Option<Id>) -> Result<Id, H> {
        finite("timestamp", timestamp)?;
        envelope.check()?;
        let (_call, progress) = (self.begin()?, Progress::default());
        self.before_deadline(&progress, async {
            let mut round = 0;
            loop {
                let name = id.map_or_else(Id::generate, Ok).map_err(Error::Random)?;
                let _place = self.enter(name).await;
                if self.insert(name, &envelope, timestamp, id.is_some(), &progress).await? {
                    return Ok(name);
                }
                if id.is_none() && round >= TRIES {
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
    pub async fn set_timestamp(&self, id: &Id, timestamp: f64) -> Result<(), H> {
        self.make(*id, Change { timestamp: Some(timestamp), ..Change::default() }).await.map(drop)
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
        let (id, _call) = (*id, self.begin()?);
        self.before_deadline(&Progress::default(), async {
            self.locks.settled(id).await;
            let Known { meta, .. } = self.read_record(id).await?;
            let envelope = self.read_envelope(id).await?;
            let left = |index: &u32| meta.delivered.binary_search(index).is_err();
            let indexes = (0_u32..).take(envelope.recipient_count()).filter(left).collect();
            let envelope = envelope.without(&meta.delivered).map_err(|_| Error::Corrupt(id))?;
            Ok(Queued { envelope, attempts: meta.attempts, indexes })
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
            self.locks.settled(id).await;
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

    /// Counts the envelopes and the meta records.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn get_info(&self) -> Result<Sizes, H> {
        let _call = self.begin()?;
        self.before_deadline(&Progress::default(), async {
            self.locks.all_settled().await;
            self.host.sizes().await.map_err(Error::Host)
        })
        .await
    }

    /// Refuses every later call with [`Error::Closed`], lets those under way end, and closes the
    /// host.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`].
    pub async fn close(&self) -> Result<(), H> {
        if self.closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.watchers.close();
        self.before_deadline(&Progress::default(), async {
            let _alone = self.calls.write().await;
            self.host.close().await.map_err(Error::Host)
        })
        .await
    }

    // ---- what the operations are made of ----

    /// A call begins; it is under way until this is dropped.
    fn begin(&self) -> Result<RwLockReadGuard<'_, ()>, H> {
        // Taken before the look: `close` waits for those that looked before it shut the door.
        let call = self.calls.try_read().map_err(|_| Error::Closed)?;
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(call) }
    }

    /// The work of one call, which ends by the deadline.
    async fn before_deadline<T>(&self, progress: &Progress, work: impl Future<Output = Result<T, H>>) -> Result<T, H> {
        // A timer begins when it is first polled: what is ready at once needs none.
        let timer = async {
            match self.deadline {
                Some(deadline) => self.host.sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        match select(pin!(work), pin!(timer)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(progress.interrupted()),
        }
    }

    /// The lock of a message, where a call can begin while another one waits.
    async fn enter(&self, id: Id) -> Option<Place<'_, Change, Result<Changed, H>>> {
        if self.host.is_sync() { None } else { Some(self.locks.enter(id).await) }
    }

    /// A change of one record, made together with those that wait for the same one.
    async fn make(&self, id: Id, change: Change) -> Result<Changed, H> {
        if let Some(timestamp) = change.timestamp {
            finite("timestamp", timestamp)?;
        }
        if let Some(Some(Lease { until, .. })) = &change.lease {
            finite("lease.until", *until)?;
        }
        let _call = self.begin()?;
        if self.host.is_sync() {
            let mut results = self.change_together(id, &[change], &Progress::default()).await?;
            return results.pop().unwrap_or(Err(Error::Conflict(id)));
        }
        let member = self.locks.join(id, change);
        let progress = member.progress();
        self.before_deadline(&progress, async {
            let leader = match member.turn().await {
                Turn::Leader(leader) => leader,
                Turn::Follower(result) => return result,
                Turn::Abandoned => return Err(progress.interrupted()),
            };
            let results = match self.change_together(id, &leader.changes, &progress).await {
                Ok(results) => results,
                Err(error) => leader.changes.iter().map(|_| Err(error.clone())).collect(),
            };
            leader.finish(results).unwrap_or(Err(Error::Conflict(id)))
        })
        .await
    }

    /// Makes changes of one record in one commit, on top of what others make of it meanwhile.
    async fn change_together(
        &self,
        id: Id,
        changes: &[Change],
        progress: &Progress,
    ) -> Result<Vec<Result<Changed, H>>, H> {
        let marks = changes.iter().any(|change| !change.delivered.is_empty());
        let mut remembered = self.cache.take(id);
        let mut round = 0;
        loop {
            let is_read = remembered.is_none();
            let Known { meta, version, recipients } = match remembered.take() {
                Some(known) => known,
                None => self.read_record(id).await?,
            };
            let recipients = match recipients {
                None if marks => Some(self.read_envelope(id).await?.recipient_count()),
                known => known,
            };
            let (next, results) = apply_all(changes, &meta, recipients.unwrap_or(0));
            let all_made = results.iter().all(|result| result.as_ref().is_ok_and(|changed| changed.applied));
            if !is_read && (next == meta || !all_made) {
                continue; // a read has to confirm what no commit will check
            }
            if next == meta {
                return Ok(results);
            }
            if self.commit(Batch::change(id, version, next.clone()), progress).await? {
                if next.timestamp != meta.timestamp {
                    self.watchers.notify(id, Latest::At(next.timestamp));
                }
                self.remember(id, next, recipients);
                return Ok(results);
            }
            self.back_off(id, &mut round).await?;
        }
    }

    /// Stores a message; false if its id was taken meanwhile.
    async fn insert(
        &self,
        id: Id,
        envelope: &H::Envelope,
        timestamp: f64,
        given: bool,
        progress: &Progress,
    ) -> Result<bool, H> {
        let meta = Meta::new(timestamp);
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
        self.remember(id, meta, Some(envelope.recipient_count()));
        self.watchers.notify(id, Latest::At(timestamp));
        Ok(true)
    }

    /// A batch that depends on nothing but its own checks.
    pub(crate) async fn commit_alone(&self, batch: BatchOf<H>) -> Result<bool, H> {
        let (_call, progress) = (self.begin()?, Progress::default());
        self.before_deadline(&progress, async {
            let _place = self.enter(batch.id).await;
            self.commit(batch, &progress).await
        })
        .await
    }

    async fn commit(&self, batch: BatchOf<H>, progress: &Progress) -> Result<bool, H> {
        let id = batch.id;
        progress.in_flight(id);
        self.cache.take(id);
        let made = self.host.commit(batch).await.map_err(|source| {
            if H::is_unknown_outcome(&source) {
                Error::UnknownOutcome { id, source: Some(source) }
            } else {
                Error::Host(source)
            }
        })?;
        if !made {
            progress.rejected(id);
        }
        Ok(made)
    }

    /// After a failed check: a random while, longer after more tries, so that two writers do not
    /// keep colliding.
    async fn back_off(&self, id: Id, round: &mut u32) -> Result<(), H> {
        *round = round.saturating_add(1);
        if self.host.is_sync() {
            return if *round < TRIES { Ok(()) } else { Err(Error::Conflict(id)) };
        }
        let most = 1_u64.checked_shl(round.saturating_add(1)).unwrap_or(u64::MAX).clamp(2, 256);
        let mut random = [0];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        let [random] = random.map(u64::from);
        self.host.sleep(Duration::from_millis(random.saturating_mul(most).wrapping_shr(8))).await;
        Ok(())
    }

    /// The meta record of a message and its version.
    async fn read_record(&self, id: Id) -> Result<Known<H::Version>, H> {
        let record = self.host.read_meta(id).await.map_err(Error::Host)?;
        let Record { meta, version } = record.ok_or(Error::NoSuchMessage(id))?;
        Ok(Known { meta: good(id, meta)?, version, recipients: None })
    }

    async fn read_envelope(&self, id: Id) -> Result<H::Envelope, H> {
        good(id, self.host.read_envelope(id).await.map_err(Error::Host)?.ok_or(Error::NoSuchMessage(id))?)
    }

    /// What stands under an id, good or not: for those who look for what is not whole.
    #[allow(clippy::type_complexity)]
    pub(crate) async fn read_both(
        &self,
        id: Id,
    ) -> Result<(Option<Record<H::Version>>, Option<Stored<H::Envelope>>), H> {
        let _call = self.begin()?;
        self.before_deadline(&Progress::default(), async {
            let meta = self.host.read_meta(id).await.map_err(Error::Host)?;
            Ok((meta, self.host.read_envelope(id).await.map_err(Error::Host)?))
        })
        .await
    }

    /// The next entries of a dictionary. The first page waits for every commit under way.
    pub(crate) async fn page(&self, dict: Dict, cursor: Option<H::Cursor>) -> Result<Page<H::Cursor>, H> {
        let _call = self.begin()?;
        self.before_deadline(&Progress::default(), async {
            if cursor.is_none() {
                self.locks.all_settled().await;
            }
            self.host.page(dict, cursor, PAGE).await.map_err(Error::Host)
        })
        .await
    }

    fn remember(&self, id: Id, meta: Meta, recipients: Option<usize>) {
        if !self.host.is_sync()
            && let Some(version) = self.host.version_of(&meta)
        {
            self.cache.put(id, Known { meta, version, recipients });
        }
    }
}

/// What a record says after changes, and what each of them came to.
#[allow(clippy::type_complexity)]
fn apply_all<E>(
    changes: &[Change],
    meta: &Meta,
    recipients: usize,
) -> (Meta, Vec<std::result::Result<Changed, Error<E>>>) {
    let mut next = meta.clone();
    let results = changes
        .iter()
        .map(|change| {
            in_range(&change.delivered, recipients)?;
            Ok(Changed { applied: change.apply(&mut next), attempts: next.attempts })
        })
        .collect();
    (next, results)
}

fn in_range(indexes: &[u32], recipients: usize) -> std::result::Result<(), Invalid> {
    for (position, index) in indexes.iter().enumerate() {
        if !usize::try_from(*index).is_ok_and(|index| index < recipients) {
            return Err(Invalid {
                argument: "rcptIndexes",
                index: Some(position),
                part: None,
                expected: "a position in the original list of recipients",
                got: Got::Number(f64::from(*index)),
            });
        }
    }
    Ok(())
}

fn good<T, E>(id: Id, stored: Stored<T>) -> std::result::Result<T, Error<E>> {
    match stored {
        Stored::Good(value) => Ok(value),
        Stored::Corrupt => Err(Error::Corrupt(id)),
        Stored::Newer => Err(Error::NewerFormat(id)),
    }
}
