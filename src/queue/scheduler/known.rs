//! What the schedule knows of the messages that wait: as records say, and as others change them.

use super::{Heard, Scheduler};
use crate::id::Id;
use crate::queue::due::Early;
use crate::queue::schedule::QueuedMessage;

impl Scheduler {
    /// A message that waits, or that waits until another time than before. It was attempted so often; if
    /// that is not given, as often as is known.
    pub(in crate::queue) fn put(&mut self, id: Id, timestamp: f64, attempts: Option<u32>) {
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.heard = Heard::At(timestamp);
            return;
        }
        let queued = self.schedule.get(id);
        let attempts = attempts.or(queued.map(|message| message.attempts)).unwrap_or(0);
        // What is scheduled already may be flushed, or left alone after a failure.
        let due = match queued.filter(|message| message.timestamp == timestamp) {
            Some(message) => message.due,
            None => {
                self.early.remove(&id);
                self.clock.due(timestamp)
            }
        };
        self.schedule.put(QueuedMessage { id, due, timestamp, attempts });
    }

    /// A message that was attempted before, and that somebody has let be due by name. Its record says so; it was due at
    /// `planned` before.
    pub(in crate::queue) fn flush_one(&mut self, id: Id, timestamp: f64, planned: f64) {
        let before = self.early.get(&id).and_then(|early| early.planned);
        self.put(id, timestamp, None);
        if !self.under_way.contains_key(&id) {
            let planned = Some(before.map_or(planned, |before| before.max(planned)));
            self.early.insert(id, Early { flushed: true, planned });
        }
    }

    /// A message that nobody has claimed, as a record says.
    pub(in crate::queue) fn put_found(&mut self, id: Id, timestamp: f64, attempts: u32) {
        let is_far = attempts > 0 && timestamp - self.clock.wall() > self.longest_wait;
        // Whoever looked at it before has left it there.
        if is_far && self.timestamp_of(id) != Some(timestamp) {
            self.put_now(id, timestamp, attempts);
        } else {
            self.put(id, timestamp, Some(attempts));
        }
    }

    /// A message that is due now, whatever its time: whoever had claimed it is gone.
    pub(in crate::queue) fn put_now(&mut self, id: Id, timestamp: f64, attempts: u32) {
        self.schedule.see(id);
        if !self.under_way.contains_key(&id) {
            self.early.entry(id).or_default();
            self.schedule.put(QueuedMessage { id, due: self.clock.now(), timestamp, attempts });
        }
    }

    /// A message that somebody else has claimed. It waits no longer than a lease, whatever the clocks say: who
    /// is alive has renewed the claim by then.
    pub(in crate::queue) fn put_claimed(&mut self, id: Id, timestamp: f64, attempts: u32, lease: f64) {
        self.put(id, timestamp, Some(attempts));
        if let Some(message) = self.schedule.get(id) {
            self.schedule.put(QueuedMessage { due: message.due.min(self.clock.now() + lease), ..message });
        }
    }

    /// A message that is claimed under this queue's name. If nothing of it is known, whoever has claimed it
    /// is gone without an end (see [`Options::owner`](super::Options::owner)), and it is due now.
    pub(in crate::queue) fn put_own(&mut self, id: Id, timestamp: f64) {
        self.schedule.see(id);
        if !self.under_way.contains_key(&id) && self.schedule.get(id).is_none() {
            self.early.entry(id).or_default();
            self.schedule.put(QueuedMessage { id, due: self.clock.now(), timestamp, attempts: 0 });
        }
    }

    /// A message that is gone. What was known of it, unless it is being attempted: what waits for a destination is not.
    pub(in crate::queue) fn forget(&mut self, id: Id) -> Option<QueuedMessage> {
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.heard = Heard::Gone;
            let waiting = self.waiting.remove(id)?;
            if let Some(visit) = under_way.visit.take() {
                self.destinations.give_up(&visit);
            }
            return Some(waiting);
        }
        self.early.remove(&id);
        self.schedule.remove(id)
    }

    /// A message that is there, and whose record cannot be read.
    pub(in crate::queue) fn see(&mut self, id: Id) {
        self.schedule.see(id);
    }

    /// A scan begins.
    pub(in crate::queue) fn begin_scan(&mut self) {
        self.schedule.begin_scan();
    }

    /// The scan has ended: forgets what it has not seen, unless that was added meanwhile.
    pub(in crate::queue) fn end_scan(&mut self) -> Vec<QueuedMessage> {
        let gone = self.schedule.end_scan();
        for message in &gone {
            self.early.remove(&message.id);
        }
        gone
    }

    /// Lets everything that was deferred be due now.
    pub(in crate::queue) fn flush(&mut self) {
        self.probe_at = f64::NEG_INFINITY;
        let now = self.clock.now();
        self.schedule.flush(now, self.flushed_at);
        self.flushed_at = now;
    }

    /// Whether a message is due whose record has this timestamp.
    pub(in crate::queue) fn is_due(&self, id: Id, timestamp: f64) -> bool {
        // What has waited long enough is due, also where the wall was set back meanwhile.
        timestamp <= self.clock.wall() || self.schedule.get(id).is_some_and(|message| message.due <= self.clock.now())
    }

    /// After how many others a message was scheduled.
    pub(in crate::queue) fn order_of(&self, id: Id) -> Option<u32> {
        self.schedule.order_of(id)
    }

    /// The timestamp of a message that waits, as far as is known.
    pub(in crate::queue) fn timestamp_of(&self, id: Id) -> Option<f64> {
        self.schedule.get(id).map(|message| message.timestamp)
    }
}
