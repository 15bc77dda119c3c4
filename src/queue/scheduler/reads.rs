//! Records that are read while attempts end: what was read before an attempt has ended is old by then.

use super::Scheduler;
use crate::id::Id;

/// The attempts that have ended while somebody reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    under_way: usize,
    /// Their messages, in the order in which they ended.
    ended: Vec<Id>,
}

impl Reads {
    pub(super) fn ended(&mut self, id: Id) {
        if self.under_way > 0 {
            self.ended.push(id);
        }
    }
}

impl Scheduler {
    /// Somebody reads records from now on; how many attempts have ended before.
    pub(in crate::queue) fn begin_read(&mut self) -> usize {
        self.reads.under_way = self.reads.under_way.saturating_add(1);
        self.reads.ended.len()
    }

    /// Whether an attempt of the message has ended since.
    pub(in crate::queue) fn has_ended_since(&self, id: Id, ends: usize) -> bool {
        self.reads.ended.iter().skip(ends).any(|ended| *ended == id)
    }

    /// Somebody reads no more.
    pub(in crate::queue) fn end_read(&mut self) {
        self.reads.under_way = self.reads.under_way.saturating_sub(1);
        if self.reads.under_way == 0 {
            self.reads.ended = Vec::new();
        }
    }
}
