//! Two dictionaries in one file.

mod error;
mod file;

use std::future::Future;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::Shared;
use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use crate::clock;
use crate::envelope::Envelope;
use crate::host::{BatchOf, Dict, Host, Page, Record, Sizes, Stored, Write};
use crate::hosts::record::{decode_envelope, decode_meta, encode_meta};
use crate::id::Id;
use crate::meta::Meta;
use crate::sync::{Mutex, lock};

pub use error::RedbError;
use file::{ENVELOPES, Failure, MESSAGES, METAS, RedbFile};

/// How many commits share a transaction at most.
const GROUP: usize = 1000;
/// The most bytes that redb takes as a value.
const LARGEST: usize = 3 << 30;

/// A host that keeps both dictionaries in one file, of [redb](https://docs.rs/redb), which one
/// program at a time has open. Clones share the file, so that several storages can work on it.
///
/// A commit is all or nothing, and on disk when it is acknowledged; what waits meanwhile shares the
/// next transaction. Two threads of the host's own read and write, so no call holds an executor up;
/// [`RedbHost::open`] does, and so does dropping the last clone unless [`Host::close`] was called.
///
/// The file has the tables `envelope`, `message` and `meta`, from ids as numbers of 128 bits to
/// records in CBOR, the same that the hosts of the npm package keep, and `about`, which says
/// `format`: 1.
///
/// After a failure of the disk, a full one included, and after a panic of redb, which damage can
/// cause, the file is opened anew: what was being committed is found to be written or not, and later
/// calls go on if they can.
///
/// ```
/// use slimta_queue_dict::{DictStorage, Envelope, RedbHost};
/// # let folder = std::env::temp_dir().join(format!("slimta-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("queue.redb");
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let storage = DictStorage::new(RedbHost::open(&path)?);
/// let envelope = Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() };
/// let id = tokio::spawn(async move { storage.write(envelope, 0.0, None).await }).await??;
///
/// let later = DictStorage::new(RedbHost::open(&path)?);
/// assert_eq!(later.get(&id).await?.envelope.recipients, ["you@example.com"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RedbHost {
    /// None once this is closed.
    threads: Mutex<Option<Arc<Threads>>>,
    /// The end of the file, once this has let go of it as the last one.
    end: Mutex<Option<Shared<oneshot::Receiver<()>>>>,
}

impl Clone for RedbHost {
    fn clone(&self) -> Self {
        Self::on(lock(&self.threads).clone())
    }
}

impl RedbHost {
    /// Opens a file, or makes it where there is none. Blocks while it does.
    ///
    /// # Errors
    /// [`RedbError::Blocked`] when it is open already, in this program or another one;
    /// [`RedbError::NewerFormat`] when a later version of this library has written it;
    /// [`RedbError::Full`] and [`RedbError::Failed`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RedbError> {
        let file = Arc::new(RedbFile::open(path.as_ref())?);
        let threads = Threads::on(file).map_err(|error| RedbError::failed(error).at(path.as_ref()))?;
        Ok(Self::on(Some(Arc::new(threads))))
    }

    fn on(threads: Option<Arc<Threads>>) -> Self {
        Self { threads: Mutex::new(threads), end: Mutex::default() }
    }

    /// Has the reading thread do something. Of what is read from a table, nothing may outlive the table
    /// or its transaction: redb lets the next commit take the place of it.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, RedbError> {
        let (answer, answered) = oneshot::channel();
        self.send(|to| to.reads.send(Box::new(move |file| drop(answer.send(file.with(work))))).is_ok())?;
        answered.await.unwrap_or(Err(RedbError::Closed))
    }

    fn send(&self, send: impl FnOnce(&Requests) -> bool) -> Result<(), RedbError> {
        let threads = lock(&self.threads);
        let requests = threads.as_ref().and_then(|threads| threads.requests.as_ref());
        if requests.is_some_and(send) { Ok(()) } else { Err(RedbError::Closed) }
    }
}

impl Host for RedbHost {
    type Envelope = Envelope;
    /// The bytes of a meta record.
    type Version = Arc<[u8]>;
    type Cursor = Id;
    type Error = RedbError;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<Arc<[u8]>>>, RedbError> {
        let key = id.as_u128();
        self.ask(move |db| {
            let metas = db.begin_read()?.open_table(METAS)?;
            let found = metas.get(key)?;
            Ok(found.map(|bytes| Record { meta: decode_meta(bytes.value()), version: bytes.value().into() }))
        })
        .await
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, RedbError> {
        let key = id.as_u128();
        self.ask(move |db| {
            let at = db.begin_read()?;
            let (envelopes, messages) = (at.open_table(ENVELOPES)?, at.open_table(MESSAGES)?);
            let Some(record) = envelopes.get(key)? else { return Ok(None) };
            let message = messages.get(key)?;
            Ok(Some(decode_envelope(record.value(), message.as_ref().map(|bytes| bytes.value()))))
        })
        .await
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, RedbError> {
        for write in &batch.writes {
            if let Write::Envelope(Envelope { message, .. }) = write
                && message.len() > LARGEST
            {
                return Err(RedbError::TooLarge(message.len()));
            }
        }
        let (answer, answered) = oneshot::channel();
        self.send(|to| to.commits.send(Commit { batch, answer }).is_ok())?;
        answered.await.unwrap_or_else(|gone| Err(RedbError::UnknownOutcome(Arc::new(gone))))
    }

    fn cursor_after(&self, id: Id) -> Option<Id> {
        Some(id)
    }

    async fn page(&self, dict: Dict, cursor: Option<Id>, limit: u32) -> Result<Page<Id>, RedbError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.ask(move |db| {
            let table = db.begin_read()?.open_table(if dict == Dict::Meta { METAS } else { ENVELOPES })?;
            let after = cursor.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_u128()));
            let mut entries = Vec::new();
            for entry in table.range::<u128>((after, Bound::Unbounded))?.take(limit) {
                let (key, record) = entry?;
                entries.push((Id::from_u128(key.value()), (dict == Dict::Meta).then(|| decode_meta(record.value()))));
            }
            let next = if entries.len() < limit { None } else { entries.last().map(|(id, _)| *id) };
            Ok(Page { entries, foreign_keys: Vec::new(), next })
        })
        .await
    }

    async fn sizes(&self) -> Result<Sizes, RedbError> {
        self.ask(|db| {
            let at = db.begin_read()?;
            Ok(Sizes { size: at.open_table(ENVELOPES)?.len()?, meta_size: at.open_table(METAS)?.len()? })
        })
        .await
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        clock::sleep(time)
    }

    fn now(&self) -> f64 {
        clock::now()
    }

    fn version_of(&self, meta: &Meta) -> Option<Arc<[u8]>> {
        Some(encode_meta(meta).into())
    }

    fn is_exclusive(&self) -> bool {
        true // a second process is refused
    }

    fn is_same_place(&self, other: &Self) -> bool {
        // One after the other: two queues may ask each other's way round.
        let [own, other] = [self, other].map(|host| lock(&host.threads).clone());
        own.zip(other).is_some_and(|(own, other)| Arc::ptr_eq(&own, &other))
    }

    fn is_unknown_outcome(error: &RedbError) -> bool {
        matches!(error, RedbError::UnknownOutcome(_))
    }

    fn is_too_large(error: &RedbError) -> bool {
        matches!(error, RedbError::TooLarge(_))
    }

    fn is_full(error: &RedbError) -> bool {
        matches!(error, RedbError::Full(_))
    }

    /// Lets go of the file, unless a clone still has it.
    async fn close(&self) -> Result<(), RedbError> {
        let threads = lock(&self.threads).take();
        if let Some(threads) = threads.and_then(Arc::into_inner) {
            let (done, ended) = oneshot::channel();
            *lock(&self.end) = Some(ended.shared());
            let closer = Builder::new().spawn(move || {
                drop(threads);
                done.send(())
            });
            if closer.is_err() {
                *lock(&self.end) = None; // without a thread of its own it has ended here
            }
        }
        let end = lock(&self.end).clone();
        match end {
            Some(end) => end.await.map_err(|_| RedbError::Closed),
            None => Ok(()),
        }
    }
}

/// A batch that waits for its transaction.
#[derive(Debug)]
struct Commit {
    batch: BatchOf<RedbHost>,
    answer: oneshot::Sender<Result<bool, RedbError>>,
}

type Read = Box<dyn FnOnce(&RedbFile) + Send>;

#[derive(Debug)]
struct Requests {
    reads: Sender<Read>,
    commits: Sender<Commit>,
}

/// The two that use the file. They end, and the file is closed, when this is dropped.
#[derive(Debug)]
struct Threads {
    requests: Option<Requests>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    fn on(file: Arc<RedbFile>) -> std::io::Result<Self> {
        let ((reads, to_read), (commits, to_commit)) = (channel::<Read>(), channel());
        // Of one that cannot be started, the other one ends by itself.
        let mut threads = Self { requests: Some(Requests { reads, commits }), handles: Vec::new() };
        let same = Arc::clone(&file);
        let named = |name: &str| Builder::new().name(format!("slimta-{name}"));
        threads.handles.push(named("read").spawn(move || to_read.into_iter().for_each(|read| read(&same)))?);
        threads.handles.push(named("write").spawn(move || commit_all(&file, &to_commit))?);
        Ok(threads)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.requests = None;
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

/// Commits what comes, and all that has come meanwhile together.
fn commit_all(file: &RedbFile, commits: &Receiver<Commit>) {
    while let Ok(first) = commits.recv() {
        let others = commits.try_iter().take(GROUP);
        let (batches, answers): (Vec<_>, Vec<_>) =
            std::iter::once(first).chain(others).map(|Commit { batch, answer }| (batch, answer)).unzip();
        let outcome = file.commit(&batches);
        for (place, answer) in answers.into_iter().enumerate() {
            // Who was asking may have gone.
            let _ = answer.send(outcome.clone().map(|made| made.get(place).copied().unwrap_or(false)));
        }
    }
}
