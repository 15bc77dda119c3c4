//! What others ask of an attempt.

use super::{AttemptState, Stage};
use crate::meta::{Failed, LastReply};
use crate::queue::due::Early;
use crate::queue::outcome::{Outcome, Status};
use crate::queue::schedule::QueuedMessage;

impl AttemptState {
    /// What the schedule knew of the message.
    pub(in crate::queue) fn message(&self) -> &QueuedMessage {
        &self.message
    }

    /// Why it comes up before its time.
    pub(in crate::queue) fn early(&self) -> Early {
        self.early
    }

    /// How often delivery was attempted, this time included.
    pub(in crate::queue) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What it came to for each recipient, once that is known.
    pub(in crate::queue) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The original positions of the recipients.
    pub(in crate::queue) fn indexes(&self) -> &[u32] {
        &self.indexes
    }

    /// Whether this goes on with an attempt under the same name that has not ended.
    pub(in crate::queue) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether the outcome is in the storage.
    pub(in crate::queue) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether somebody else had claimed or ended the message before the outcome was recorded: of that,
    /// the record has whom it was delivered to, and no more.
    pub(in crate::queue) fn is_late(&self) -> bool {
        self.late
    }

    /// Whether somebody else had claimed or ended the message before this owner was done with it.
    pub(in crate::queue) fn is_lease_lost(&self) -> bool {
        self.lost
    }

    /// The time of the next attempt, if there is one.
    pub(in crate::queue) fn next_timestamp(&self) -> Option<f64> {
        self.next
    }

    /// Whom an attempt gave up, of which nobody was told yet.
    pub(in crate::queue) fn untold(&self) -> Option<&Failed> {
        self.untold.as_ref()
    }

    /// The original positions of those whom it was delivered to.
    pub(in crate::queue) fn delivered(&self) -> Vec<u32> {
        self.positions(Status::Delivered)
    }

    /// What was said before of the recipient at this original position.
    pub(in crate::queue) fn last_reply(&self, index: u32) -> Option<&LastReply> {
        self.last_replies.iter().find(|last| last.indexes.binary_search(&index).is_ok())
    }

    /// Whether this is the timestamp that the attempt itself has written or begun with.
    pub(in crate::queue) fn knows(&self, timestamp: f64) -> bool {
        timestamp == self.message.timestamp || timestamp == self.held.until || self.next == Some(timestamp)
    }

    /// When the message was attempted first.
    pub(in crate::queue) fn first_attempt(&self) -> f64 {
        self.patience.since.as_millis()
    }

    /// Whether the message is being claimed.
    pub(in crate::queue) fn is_claiming(&self) -> bool {
        self.stage == Stage::Claim
    }

    /// Whether it is known for everybody what became of the attempt.
    pub(in crate::queue) fn has_outcome(&self) -> bool {
        self.outcome != Outcome::default()
    }

    /// What goes on with this attempt, which was cut off before its outcome was in the storage; nothing of any other.
    pub(in crate::queue) fn unrecorded(&self) -> Option<Self> {
        let is_cut_off = self.has_outcome() && !self.recorded;
        // A change that was under way may have been made.
        is_cut_off.then(|| Self { in_doubt: self.in_doubt || self.stage != Stage::Ended, ..self.clone() })
    }
}
