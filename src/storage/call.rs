//! What the calls of a storage are made of: their beginning and end, reads, and the commit of a batch.

use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::RwLockReadGuard;

use super::{Closing, DictStorage, Result};
use crate::cache::Cached;
use crate::error::Error;
use crate::host::{BatchOf, Dict, Host, Page, Record, Stored};
use crate::id::{self, Id};
use crate::locks::{Place, Progress};
use crate::meta::{Change, Changed, Meta};

/// How often a host that cannot be waited for is asked again after a failed check.
const MOST_ROUNDS: u32 = 16;
/// How many entries are asked for at once.
const PAGE: u32 = 1000;

impl<H: Host> DictStorage<H> {
    /// A call begins; it is under way until this is dropped.
    pub(super) fn begin(&self) -> Result<RwLockReadGuard<'_, Closing>, H> {
        // Taken before the look: `close` waits for those that looked before it shut the door.
        let call = self.calls.try_read().map_err(|_| Error::Closed)?;
        self.check_open().map(|()| call)
    }

    /// The work of one call, which ends by the deadline.
    pub(super) async fn before_deadline<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = Result<T, H>>,
    ) -> Result<T, H> {
        match select(pin!(work), pin!(self.deadline())).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(progress.interrupted()),
        }
    }

    /// Its timer begins when this is first polled: what is ready at once needs none.
    async fn deadline(&self) {
        match self.deadline {
            Some(deadline) => self.host.sleep(deadline).await,
            None => pending().await,
        }
    }

    /// The lock of a message, where a call can begin while another one waits.
    pub(super) async fn enter(&self, id: Id) -> Option<Place<'_, Change, Result<Changed, H>>> {
        if self.host.is_sync() { None } else { Some(self.locks.enter(id).await) }
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

    pub(super) async fn commit(&self, batch: BatchOf<H>, progress: &Progress) -> Result<bool, H> {
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
    pub(super) async fn back_off(&self, id: Id, round: &mut u32) -> Result<(), H> {
        *round = round.saturating_add(1);
        if self.host.is_sync() {
            return if *round < MOST_ROUNDS { Ok(()) } else { Err(Error::Conflict(id)) };
        }
        let most = 1_u64.checked_shl(round.saturating_add(1)).unwrap_or(u64::MAX).clamp(2, 256);
        let mut random = [0];
        id::fill(&mut random).map_err(Error::Random)?;
        let [random] = random.map(u64::from);
        self.host.sleep(Duration::from_millis(random.saturating_mul(most).wrapping_shr(8))).await;
        Ok(())
    }

    /// The meta record of a message and its version.
    pub(super) async fn read_record(&self, id: Id) -> Result<Cached<H::Version>, H> {
        let record = self.host.read_meta(id).await.map_err(Error::Host)?;
        let Record { meta, version } = record.ok_or(Error::NoSuchMessage(id))?;
        Ok(Cached { meta: good(id, meta)?, version, recipients: None })
    }

    pub(super) async fn read_envelope(&self, id: Id) -> Result<H::Envelope, H> {
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
    pub(crate) async fn page(&self, dict: Dict, cursor: Option<&H::Cursor>) -> Result<Page<H::Cursor>, H> {
        let _call = self.begin()?;
        self.before_deadline(&Progress::default(), async {
            if cursor.is_none() {
                self.locks.all_idle().await;
            }
            self.host.page(dict, cursor.cloned(), PAGE).await.map_err(Error::Host)
        })
        .await
    }

    pub(super) fn keep_in_cache(&self, id: Id, meta: Meta, recipients: Option<usize>) {
        if !self.host.is_sync()
            && let Some(version) = self.host.version_of(&meta)
        {
            self.cache.put(id, Cached { meta, version, recipients });
        }
    }
}

fn good<T, E>(id: Id, stored: Stored<T>) -> std::result::Result<T, Error<E>> {
    match stored {
        Stored::Good(value) => Ok(value),
        Stored::Corrupt => Err(Error::Corrupt(id)),
        Stored::Newer => Err(Error::NewerFormat(id)),
    }
}
