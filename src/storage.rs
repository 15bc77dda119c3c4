//! The storage: its calls in turn, before their deadline.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, ready};
use core::time::Duration;

use crate::ask::{Answer, Ask, PAGE, Request, Stop, after_commit};
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, finite};
use crate::host::{Host, HostId, Sizes};
use crate::id::Random;
use crate::known::KnownMessages;
use crate::meta::{Attempts, Change, Meta};
use crate::rules::{Changed, Changes, Operation, Outcome};
use crate::sync::{Mutex, lock};
use crate::table::IdMap;
use crate::turn::{Calls, Progress, Settled, Turn, Turns};
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
    turns: Turns<Change, Result<Changed, H>>,
    calls: Calls,
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
            calls: Calls::default(),
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
        finite("timestamp", timestamp)?;
        envelope.check()?;
        loop {
            let name = match &id {
                Some(id) => id.clone(),
                None => self.draw()?,
            };
            let write =
                Operation::Write { id: name.clone(), envelope: envelope.clone(), timestamp, given: id.is_some() };
            if let Outcome::Committed(true) = self.perform(write).await? {
                return Ok(name);
            }
        }
    }

    /// A name for a new message.
    pub(crate) fn draw(&self) -> Result<H::Id, H> {
        Ok(self.host.name(self.random.id().map_err(Error::Random)?))
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
        match self.perform(Operation::Get(id.clone())).await? {
            Outcome::Queued(queued) => Ok(queued),
            _ => Err(Error::Timeout),
        }
    }

    /// What the meta record of a message says, if there is one.
    pub(crate) async fn look(&self, id: &H::Id) -> Result<Option<crate::host::Stored<Meta>>, H> {
        match self.perform(Operation::Look(id.clone())).await? {
            Outcome::Looked(looked) => Ok(looked),
            _ => Err(Error::Timeout),
        }
    }

    /// Removes a message. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::UnknownOutcome`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn remove(&self, id: &H::Id) -> Result<(), H> {
        self.perform(Operation::Remove(id.clone())).await.map(drop)
    }

    /// Counts the envelopes and the meta records.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn get_info(&self) -> Result<Sizes, H> {
        match self.perform(Operation::Sizes).await? {
            Outcome::Sizes(sizes) => Ok(sizes),
            _ => Err(Error::Timeout),
        }
    }

    /// Refuses every later call with [`Error::Closed`], lets those under way end, and closes the
    /// host.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`].
    pub async fn close(&self) -> Result<(), H> {
        if self.shut() { self.perform(Operation::Close).await.map(drop) } else { Ok(()) }
    }

    /// Lets no call begin any more; whether this is the first time.
    pub(crate) fn shut(&self) -> bool {
        let first = !self.closed.swap(true, Ordering::Relaxed);
        self.watches.close();
        first
    }

    // ---- what the operations are made of ----

    async fn make(&self, id: &H::Id, change: Change) -> Result<Changed, H> {
        match self.perform(Operation::change(id, change)?).await? {
            Outcome::Changed(changes) => changes.only(),
            _ => Err(Error::Timeout),
        }
    }

    /// An operation on a host that never overlaps calls: it answers at once.
    pub(crate) fn perform_now(&self, mut operation: Operation<H>) -> Result<Outcome<H>, H> {
        self.open()?;
        let progress = Progress::default();
        let mut ask = Ask::new(&self.host, &progress);
        loop {
            match operation.run(&mut ask) {
                Ok(outcome) => {
                    self.learn(&operation, &outcome);
                    return Ok(outcome);
                }
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Again) if ask.round < TRIES_WITHOUT_WAITING => ask.again(),
                Err(Stop::Again) => {
                    return Err(operation.id().map_or(Error::Timeout, |id| Error::Conflict(id.id())));
                }
                Err(Stop::Waiting(_)) => return Err(Error::Timeout),
            }
        }
    }

    /// The same on the heap: what makes many operations stays small.
    pub(crate) fn ask(&self, operation: Operation<H>) -> Pin<Box<impl Future<Output = Result<Outcome<H>, H>>>> {
        Box::pin(self.perform(operation))
    }

    /// An operation, when its turn comes and before the deadline.
    pub(crate) async fn perform(&self, mut operation: Operation<H>) -> Result<Outcome<H>, H> {
        if !self.host.overlaps() {
            return self.perform_now(operation);
        }
        // Counted before the look: `close` waits for those that looked before it shut the door.
        let _call = match operation {
            Operation::Close => None,
            _ => {
                let call = self.calls.begin();
                self.open()?;
                Some(call)
            }
        };
        let turn = match &mut operation {
            Operation::Change { id, changes, .. } => Some(self.turns.enter(id.id(), changes.pop().flatten())),
            Operation::Write { id, .. } | Operation::Remove(id) | Operation::Commit(id, _) => {
                Some(self.turns.enter(id.id(), None))
            }
            _ => None,
        };
        let settled = match &operation {
            Operation::Get(id) => self.turns.settled(Some(id.id())),
            Operation::Sizes | Operation::Page(_, None) => self.turns.settled(None),
            _ => Settled::default(),
        };
        let progress = turn.as_ref().map(|turn| turn.progress.clone()).unwrap_or_default();
        let work = async {
            let mut lead = None;
            if let Some(turn) = turn {
                match turn.await {
                    Turn::Done(result) => return Ok(Outcome::Changed(Changes::one(result))),
                    Turn::Abandoned => return Err(progress.interrupted()),
                    Turn::Lead(turn) => lead = Some(turn),
                }
            }
            settled.await;
            if let (Operation::Change { id, changes, known }, Some(lead)) = (&mut operation, &mut lead) {
                *changes = lead.tasks.clone();
                *known = lock(&self.known).take(id.id());
            }
            let outcome = self.drive(&mut operation, &progress).await;
            if let Ok(outcome) = &outcome {
                self.learn(&operation, outcome);
            }
            match (operation, lead) {
                (Operation::Change { id, changes, .. }, Some(lead)) => {
                    let results = match outcome {
                        Ok(Outcome::Changed(all)) => all.results,
                        Ok(_) => Vec::new(),
                        Err(error) => changes.iter().map(|_| Some(Err(error.clone()))).collect(),
                    };
                    let own = lead.finish(results).unwrap_or(Err(Error::Conflict(id.id())));
                    Ok(Outcome::Changed(Changes::one(own)))
                }
                _ => outcome,
            }
        };
        self.before_deadline(&progress, work).await
    }

    /// Runs an operation to its end, waiting for what the host answers.
    async fn drive(&self, operation: &mut Operation<H>, progress: &Progress) -> Result<Outcome<H>, H> {
        let mut ask = Ask::new(&self.host, progress);
        loop {
            let request = match operation.run(&mut ask) {
                Ok(outcome) => return Ok(outcome),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Again) => {
                    ask.again();
                    self.host.sleep(self.pause(ask.round)?).await;
                    continue;
                }
                Err(Stop::Waiting(request)) => request,
            };
            ask.answered(match request {
                Request::Meta(id) => Answer::Meta(self.host.read_meta(&id).await.map_err(Error::Host)?),
                Request::Envelope(id) => Answer::Envelope(self.host.read_envelope(&id).await.map_err(Error::Host)?),
                Request::Page(dict, cursor) => {
                    Answer::Page(Some(self.host.page(dict, cursor, PAGE).await.map_err(Error::Host)?))
                }
                Request::Sizes => Answer::Sizes(self.host.sizes().await.map_err(Error::Host)?),
                Request::Close => {
                    self.calls.ended().await;
                    self.host.close().await.map_err(Error::Host)?;
                    Answer::Closed
                }
                Request::Commit(id, batch) => {
                    // Until the host has answered, nobody knows what stands there.
                    lock(&self.known).take(id.id());
                    let done = self.host.commit(batch).await;
                    Answer::Committed(done.map_err(|source| after_commit::<H>(id.id(), Error::Host(source)))?)
                }
            });
        }
    }

    /// Remembers what an operation has committed, and tells those who wait.
    fn learn(&self, operation: &Operation<H>, outcome: &Outcome<H>) {
        match (operation, outcome) {
            (Operation::Write { id, envelope, timestamp, .. }, Outcome::Committed(true)) => {
                self.remember(id, &Meta::new(*timestamp), Some(envelope.recipient_count()));
                self.watches.notify(id.id());
            }
            (Operation::Change { id, .. }, Outcome::Changed(changes)) => {
                if let Some(meta) = &changes.meta {
                    self.remember(id, meta, changes.recipients);
                }
                if changes.moved {
                    self.watches.notify(id.id());
                }
            }
            _ => {}
        }
    }

    fn remember(&self, id: &H::Id, meta: &Meta, recipients: Option<usize>) {
        if !self.host.overlaps() {
            return;
        }
        if let Some(version) = self.host.version_of(meta) {
            lock(&self.known).put(id.id(), meta.clone(), version, recipients);
        }
    }

    /// A random while, longer after more tries, so that two writers do not keep colliding.
    fn pause(&self, tries: u32) -> Result<Duration, H> {
        let most = 1_u64.checked_shl(tries.saturating_add(1)).unwrap_or(u64::MAX).clamp(2, 256);
        let [random, ..] = self.random.draw().map_err(Error::Random)?;
        Ok(Duration::from_millis(u64::from(random).saturating_mul(most).wrapping_shr(8)))
    }

    pub(crate) fn open(&self) -> Result<(), H> {
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }

    /// The work of one call, which ends by the deadline.
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
