//! The rules of the storage.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, ready};
use core::time::Duration;

use crate::envelope::EnvelopeHandle;
use crate::error::{Error, Got, Invalid, finite};
use crate::host::{Batch, BatchOf, Host, HostId, Record, Sizes, Stored};
use crate::id::{IdMap, Random};
use crate::known::KnownMessages;
use crate::meta::{Attempts, Change, Lease, Meta};
use crate::sync::{Mutex, lock};
use crate::turn::{Progress, Settled, Turn, Turns};
use crate::wait::Watches;

/// What a call on a storage over `H` returns.
pub type Result<T, H> = core::result::Result<T, Error<<H as Host>::Error>>;

/// How often a host that cannot be waited for is asked again after a failed check.
const TRIES_WITHOUT_WAITING: u32 = 16;

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
    turns: Turns<Task, Result<Changed, H>>,
    known: Mutex<KnownMessages<H::Version>>,
    random: Random,
    closed: AtomicBool,
    pub(crate) watches: Watches,
    /// When an orphan envelope was seen first, on the host's clock.
    pub(crate) orphans: Mutex<IdMap<(f64, u64)>>,
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

/// A change, and how far the call that asked for it has come.
pub(crate) type Task = (Change, Progress);

/// What a change did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) applied: bool,
    pub(crate) attempts: u32,
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
            turns: Turns::new(),
            known: Mutex::new(KnownMessages::new()),
            random: Random::new(),
            closed: AtomicBool::new(false),
            watches: Watches::default(),
            orphans: Mutex::new(IdMap::default()),
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
    pub async fn write(&self, envelope: H::Envelope, timestamp: f64, id: Option<H::Id>) -> Result<H::Id, H> {
        let progress = self.progress();
        self.within(&progress, self.write_now(envelope, timestamp, id, &progress)).await
    }

    pub(crate) async fn write_now(
        &self,
        envelope: H::Envelope,
        timestamp: f64,
        given: Option<H::Id>,
        progress: &Progress,
    ) -> Result<H::Id, H> {
        finite("timestamp", timestamp)?;
        envelope.check()?;
        let meta = Meta::new(timestamp);
        let recipients = envelope.recipient_count();
        loop {
            let id = match &given {
                Some(id) => id.clone(),
                None => self.host.name(self.random.id().map_err(Error::Random)?),
            };
            let _turn = if self.host.overlaps() { Some(self.turns.alone(id.id()).await) } else { None };
            let mut batch = Batch::write(&id, envelope.clone(), meta.clone());
            loop {
                if self.commit(&id, batch, progress).await? {
                    self.remember(&id, Some(&meta), Some(recipients));
                    self.watches.notify(id.id());
                    return Ok(id);
                }
                if given.is_none() {
                    break; // the id that was drawn is taken
                }
                // An envelope alone is what an interrupted write of this id has left: it is
                // completed, or the id would be acknowledged and shown by no list.
                if self.host.read_meta(&id).await.map_err(Error::Host)?.is_some() {
                    return Ok(id);
                }
                batch = Batch::complete(&id, envelope.clone(), meta.clone());
            }
        }
    }

    /// Sets the time of the next attempt.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a timestamp that is not finite, [`Error::NoSuchMessage`], and those of
    /// every change: [`Error::Corrupt`], [`Error::NewerFormat`], [`Error::Conflict`],
    /// [`Error::Host`], [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn set_timestamp(&self, id: &H::Id, timestamp: f64) -> Result<(), H> {
        self.make(id, Change { timestamp: Some(timestamp), ..Change::default() }).await.map(drop)
    }

    /// Counts one attempt more and returns how many there are now.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] and those of every change, as in [`DictStorage::set_timestamp`].
    pub async fn increment_attempts(&self, id: &H::Id) -> Result<u32, H> {
        let change = Change { attempts: Some(Attempts::Increment), ..Change::default() };
        self.make(id, change).await.map(|changed| changed.attempts)
    }

    /// Marks recipients as delivered, by their positions in the original list. Calls add up and
    /// repeats do nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a position is not in the original list; none is marked then.
    /// [`Error::NoSuchMessage`] and those of every change, as in [`DictStorage::set_timestamp`].
    pub async fn set_recipients_delivered(&self, id: &H::Id, indexes: &[u32]) -> Result<(), H> {
        self.make(id, Change { delivered: indexes.to_vec(), ..Change::default() }).await.map(drop)
    }

    /// Makes several changes of one meta record in one commit; false, and nothing changed, when the
    /// record is not as expected.
    ///
    /// # Errors
    /// Those of the single changes.
    pub async fn change(&self, id: &H::Id, change: Change) -> Result<bool, H> {
        self.make(id, change).await.map(|changed| changed.applied)
    }

    /// Returns a message: its envelope without the recipients already delivered, the number of
    /// attempts, and the original positions of the remaining recipients. Waits for what is being
    /// committed of this message through this storage.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`], [`Error::Corrupt`], [`Error::NewerFormat`], [`Error::Host`],
    /// [`Error::Timeout`], [`Error::Closed`].
    pub async fn get(&self, id: &H::Id) -> Result<Queued<H::Envelope>, H> {
        self.within(&Progress::default(), self.get_now(id)).await
    }

    pub(crate) async fn get_now(&self, id: &H::Id) -> Result<Queued<H::Envelope>, H> {
        self.settled(Some(id)).await;
        let meta = good_meta(id, self.host.read_meta(id).await)?.0;
        let envelope = good_envelope(id, self.host.read_envelope(id).await)?;
        let count = envelope.recipient_count();
        let indexes = (0_u32..)
            .take(count)
            .filter(|index| meta.delivered.is_empty() || meta.delivered.binary_search(index).is_err())
            .collect();
        let envelope = envelope.without(&meta.delivered).map_err(|_| Error::Corrupt(id.id()))?;
        Ok(Queued { envelope, attempts: meta.attempts, indexes })
    }

    /// Removes a message. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn remove(&self, id: &H::Id) -> Result<(), H> {
        let progress = self.progress();
        self.within(&progress, self.alone(id, Batch::remove(id), &progress)).await.map(drop)
    }

    /// Counts the envelopes and the meta records.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn get_info(&self) -> Result<Sizes, H> {
        self.within(&Progress::default(), self.get_info_now()).await
    }

    pub(crate) async fn get_info_now(&self) -> Result<Sizes, H> {
        self.settled(None).await;
        self.host.sizes().await.map_err(Error::Host)
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
        self.watches.close();
        let work = async {
            self.settled(None).await;
            self.host.close().await.map_err(Error::Host)
        };
        self.before_deadline(&Progress::default(), work).await
    }

    // ---- what the operations are made of ----

    async fn make(&self, id: &H::Id, change: Change) -> Result<Changed, H> {
        let progress = self.progress();
        self.within(&progress, self.make_now(id, change, &progress)).await
    }

    /// One change of one record, in turn, together with those that wait beside it.
    pub(crate) async fn make_now(&self, id: &H::Id, change: Change, progress: &Progress) -> Result<Changed, H> {
        if let Some(timestamp) = change.timestamp {
            finite("timestamp", timestamp)?;
        }
        if let Some(Some(Lease { until, .. })) = &change.lease {
            finite("lease.until", *until)?;
        }
        let task = (change, progress.clone());
        let (tasks, lead) = if self.host.overlaps() {
            match self.turns.together(id.id(), task).await {
                Turn::Done(result) => return result,
                Turn::Abandoned => return Err(progress.interrupted()),
                Turn::Lead(mut lead) => (core::mem::take(&mut lead.tasks), Some(lead)),
            }
        } else {
            (vec![Some(task)], None)
        };
        let mut results = match self.make_all(id, &tasks).await {
            Ok(results) => results,
            Err(error) => tasks.iter().map(|_| Some(Err(error.clone()))).collect(),
        };
        let own = match lead {
            Some(lead) => lead.finish(results),
            None => results.pop().flatten(),
        };
        own.unwrap_or(Err(Error::Conflict(id.id())))
    }

    /// Several changes of one record in one commit: an error for all, or a result each.
    async fn make_all(&self, id: &H::Id, tasks: &[Option<Task>]) -> Result<Vec<Option<Result<Changed, H>>>, H> {
        let marks = tasks.iter().flatten().any(|(change, _)| !change.delivered.is_empty());
        let mut remembered = self.remembered(id);
        let mut tries = 0_u32;
        loop {
            let from_memory = remembered.is_some();
            let (meta, version) = match remembered.take() {
                Some(known) => known,
                None => good_meta(id, self.host.read_meta(id).await)?,
            };
            let mut recipients = self.known_recipients(id);
            if marks && recipients.is_none() {
                let envelope = good_envelope(id, self.host.read_envelope(id).await)?;
                recipients = Some(envelope.recipient_count());
                self.remember(id, None, recipients);
            }
            let mut next = meta.clone();
            let results: Vec<_> = tasks
                .iter()
                .map(|task| {
                    let (change, _) = task.as_ref()?;
                    let range = in_range(&change.delivered, recipients.unwrap_or(0));
                    Some(range.map_err(Error::from).map(|()| {
                        let applied = change.apply(&mut next);
                        Changed { applied, attempts: next.attempts }
                    }))
                })
                .collect();
            let refused = results.iter().flatten().any(|result| !matches!(result, Ok(Changed { applied: true, .. })));
            if from_memory && (refused || next == meta) {
                continue; // a read has to confirm what no commit will check
            }
            if next == meta {
                return Ok(results);
            }
            for (_, progress) in tasks.iter().flatten() {
                progress.handed(id.id());
            }
            if self.commit(id, Batch::change(id, version, next.clone()), &Progress::default()).await? {
                self.remember(id, Some(&next), recipients);
                if next.timestamp != meta.timestamp {
                    self.watches.notify(id.id());
                }
                return Ok(results);
            }
            for (_, progress) in tasks.iter().flatten() {
                progress.refused(id.id());
            }
            tries = tries.saturating_add(1);
            if self.host.overlaps() {
                self.host.sleep(self.pause(tries)?).await;
            } else if tries >= TRIES_WITHOUT_WAITING {
                return Err(Error::Conflict(id.id()));
            }
        }
    }

    /// A random while, longer after more tries, so that two writers do not keep colliding.
    fn pause(&self, tries: u32) -> Result<Duration, H> {
        let most = 1_u64.checked_shl(tries.saturating_add(1)).unwrap_or(u64::MAX).clamp(2, 256);
        let [random, ..] = self.random.draw().map_err(Error::Random)?;
        Ok(Duration::from_millis(u64::from(random).saturating_mul(most).wrapping_shr(8)))
    }

    /// Hands a batch over. What is remembered of the message is forgotten first: until the host has
    /// answered, nobody knows what stands there.
    async fn commit(&self, id: &H::Id, batch: BatchOf<H>, progress: &Progress) -> Result<bool, H> {
        self.forget(id);
        progress.handed(id.id());
        match self.host.commit(batch).await {
            Ok(true) => Ok(true),
            Ok(false) => {
                progress.refused(id.id());
                Ok(false)
            }
            Err(source) if H::is_unknown_outcome(&source) => {
                Err(Error::UnknownOutcome { id: id.id(), source: Some(source) })
            }
            Err(source) => Err(Error::Host(source)),
        }
    }

    /// Hands a batch over when the turn of its message comes.
    pub(crate) async fn alone(&self, id: &H::Id, batch: BatchOf<H>, progress: &Progress) -> Result<bool, H> {
        let _turn = if self.host.overlaps() { Some(self.turns.alone(id.id()).await) } else { None };
        self.commit(id, batch, progress).await
    }

    fn remembered(&self, id: &H::Id) -> Option<(Meta, H::Version)> {
        lock(&self.known).get(id.id())?.meta.take()
    }

    fn known_recipients(&self, id: &H::Id) -> Option<usize> {
        lock(&self.known).get(id.id())?.recipients
    }

    fn remember(&self, id: &H::Id, meta: Option<&Meta>, recipients: Option<usize>) {
        if !self.host.overlaps() {
            return;
        }
        let mut known = lock(&self.known);
        let Some(entry) = known.entry(id.id()) else { return };
        if let Some(meta) = meta {
            entry.meta = self.host.version_of(meta).map(|version| (meta.clone(), version));
        }
        if recipients.is_some() {
            entry.recipients = recipients;
        }
    }

    fn forget(&self, id: &H::Id) {
        lock(&self.known).forget(id.id());
    }

    /// Ends when what is being committed of this message, or of all, has ended.
    pub(crate) fn settled(&self, id: Option<&H::Id>) -> Settled<Task, Result<Changed, H>> {
        self.turns.settled(id.map(HostId::id))
    }

    pub(crate) fn progress(&self) -> Progress {
        if self.host.overlaps() { Progress::watched() } else { Progress::default() }
    }

    pub(crate) fn open(&self) -> Result<(), H> {
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }

    /// The work of one call, which ends by the deadline.
    pub(crate) async fn within<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = Result<T, H>>,
    ) -> Result<T, H> {
        self.open()?;
        self.before_deadline(progress, work).await
    }

    async fn before_deadline<T>(&self, progress: &Progress, work: impl Future<Output = Result<T, H>>) -> Result<T, H> {
        let mut work = pin!(work);
        // Polled only once the work waits: what is ready at once needs no timer.
        let mut timer = pin!(self.deadline.map(|deadline| self.host.sleep(deadline)));
        poll_fn(|cx| {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            match timer.as_mut().as_pin_mut() {
                None => return Poll::Pending,
                Some(timer) => ready!(timer.poll(cx)),
            }
            Poll::Ready(Err(progress.interrupted()))
        })
        .await
    }
}

fn in_range(indexes: &[u32], recipients: usize) -> core::result::Result<(), Invalid> {
    let fits = |index: u32| usize::try_from(index).is_ok_and(|index| index < recipients);
    match indexes.iter().enumerate().find(|(_, index)| !fits(**index)) {
        None => Ok(()),
        Some((position, index)) => Err(Invalid {
            argument: "rcptIndexes",
            index: Some(position),
            part: None,
            expected: "a position in the original list of recipients",
            got: Got::Number(f64::from(*index)),
        }),
    }
}

fn good<T, E>(id: &impl HostId, stored: Stored<T>) -> core::result::Result<T, Error<E>> {
    match stored {
        Stored::Good(value) => Ok(value),
        Stored::Corrupt => Err(Error::Corrupt(id.id())),
        Stored::Newer => Err(Error::NewerFormat(id.id())),
    }
}

fn good_meta<V, E>(
    id: &impl HostId,
    read: core::result::Result<Option<Record<V>>, E>,
) -> core::result::Result<(Meta, V), Error<E>> {
    match read.map_err(Error::Host)? {
        None => Err(Error::NoSuchMessage(id.id())),
        Some(Record { meta, version }) => Ok((good(id, meta)?, version)),
    }
}

fn good_envelope<T, E>(
    id: &impl HostId,
    read: core::result::Result<Option<Stored<T>>, E>,
) -> core::result::Result<T, Error<E>> {
    match read.map_err(Error::Host)? {
        None => Err(Error::NoSuchMessage(id.id())),
        Some(envelope) => good(id, envelope),
    }
}
