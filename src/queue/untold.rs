//! Messages whose record says that nobody was told yet whom they gave up.

use super::attempt::telling::SOON;
use super::queue::Queue;
use super::timer::Timer;
use crate::envelope::{EnvelopeHandle, NoticeOf};
use crate::host::Host;
use crate::meta::{Change, Expect, Meta};
use crate::storage::Result;

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Notes in the record that somebody was told of those whom this attempt gave up, if it says that nobody was. A message
    /// that needs nothing else goes.
    pub(super) async fn tell_no_more(&self, NoticeOf { id, attempt }: NoticeOf) -> Result<(), H> {
        let expect = Expect { untold: Some(Some(attempt)), ..Expect::default() };
        let change = Change { expect, untold: Some(None), ..Change::default() };
        if !self.pooled(self.storage.change(&id, change)).await? {
            return Ok(()); // somebody has done it before
        }
        let (meta, envelope) = self.pooled(self.storage.get_whole(&id)).await?;
        // Another attempt may have given up more by now. Where nobody is left or untold, it stays so.
        if meta.untold.is_some() {
            return Ok(());
        }
        if !meta.left(envelope.recipient_count()).is_empty() {
            let waits_for_this = meta.timestamp <= self.timer.wall() + SOON;
            return if waits_for_this { self.make_due(id).await } else { Ok(()) };
        }
        let keep_delivered = self.settings().keep_delivered;
        if keep_delivered > 0.0 {
            return self.pooled(self.storage.set_timestamp(&id, self.timer.wall() + keep_delivered)).await;
        }
        let is_done = |meta: &Meta| meta.untold.is_none() && meta.left(envelope.recipient_count()).is_empty();
        self.pooled(self.storage.remove_if(id, &is_done)).await.map(drop)
    }
}
