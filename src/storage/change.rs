//! How a meta record is changed: together with the changes that wait for the same record, and on top of
//! what other writers make of it.

use super::{DictStorage, Result};
use crate::cache::Cached;
use crate::envelope::EnvelopeHandle;
use crate::error::{Error, Got, Invalid, finite};
use crate::host::{Batch, Host};
use crate::id::Id;
use crate::locks::{Progress, Role};
use crate::meta::{Change, Changed, Lease, MOST_RECIPIENTS, Meta};
use crate::watch::Latest;

impl<H: Host> DictStorage<H> {
    /// A change of one record, made together with those that wait for the same one.
    pub(super) async fn make(&self, id: Id, change: Change) -> Result<Changed, H> {
        if let Some(timestamp) = change.timestamp {
            finite("timestamp", timestamp)?;
        }
        if let Some(first_attempt) = change.first_attempt {
            finite("firstAttempt", first_attempt)?;
        }
        if let Some(Some(Lease { until, .. })) = &change.lease {
            finite("lease.until", *until)?;
        }
        // A record that names somebody beyond would be corrupt, or take the memory of as many.
        for (place, last) in change.replies.iter().flatten().enumerate() {
            let of = |invalid| Invalid { argument: "replies", index: Some(place), ..invalid };
            in_range(last.indexes.iter(), MOST_RECIPIENTS).map_err(of)?;
        }
        let _call = self.begin()?;
        if self.host.is_sync() {
            let mut results = self.change_together(id, &[change], &Progress::default()).await?;
            return results.pop().unwrap_or(Err(Error::Conflict(id)));
        }
        let member = self.locks.join(id, change);
        let progress = member.progress();
        self.before_deadline(&progress, async {
            let leader = match member.role().await {
                Role::Leader(leader) => leader,
                Role::Follower(result) => return result,
                Role::Abandoned => return Err(progress.interrupted()),
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
        let marks = changes.iter().any(|change| change.marks().next().is_some());
        let mut remembered = self.cache.take(id);
        let mut round = 0;
        loop {
            let is_read = remembered.is_none();
            let Cached { meta, version, recipients } = match remembered.take() {
                Some(cached) => cached,
                None => self.read_record(id).await?,
            };
            let recipients = match recipients {
                None if marks => Some(self.read_envelope(id).await?.recipient_count()),
                counted => counted,
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
                    self.watchers.notify(id, Latest::At(next.timestamp, next.attempts));
                }
                self.keep_in_cache(id, next, recipients);
                return Ok(results);
            }
            self.back_off(id, &mut round).await?;
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
            in_range(change.marks(), u32::try_from(recipients).unwrap_or(u32::MAX))?;
            Ok(Changed { applied: change.apply(&mut next), attempts: next.attempts })
        })
        .collect();
    (next, results)
}

/// Whether each position is that of one of so many recipients.
fn in_range<'a>(indexes: impl Iterator<Item = &'a u32>, recipients: u32) -> std::result::Result<(), Invalid> {
    for (position, index) in indexes.enumerate() {
        if *index >= recipients {
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
