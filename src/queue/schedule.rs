//! What waits, ordered by when it is due.
//!
//! An indexed binary heap: entries that stay where they are, a heap of their numbers, and a table that
//! finds the entry of an id. Entries and heap grow by chunks, so that growing leaves no large block
//! behind and a million messages stay within 64 bytes each (`benches/schedule.js`).

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::chunks::Chunks;
use crate::id::Id;

/// Stands for "no entry".
const NONE: u32 = u32::MAX;

/// A message that waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct QueuedMessage {
    /// The message.
    pub(super) id: Id,
    /// When it is due, in milliseconds on the clock of the schedule.
    pub(super) due: f64,
    /// What its record said when it was scheduled: the time of the next attempt,
    pub(super) timestamp: f64,
    /// and how often delivery was attempted.
    pub(super) attempts: u32,
}

/// Messages by due time. Adding, moving and taking one costs O(log n).
#[derive(Debug, Default)]
pub(super) struct Schedule {
    entries: Chunks<Entry>,
    /// By the number of the entry, whether it was added or seen since the last scan began.
    seen: Chunks<bool>,
    /// By the number of the entry, after how many others it was added.
    order: Chunks<u32>,
    added: u32,
    /// Numbers of entries; none is due before the one at half its place.
    heap: Chunks<u32>,
    /// Numbers of entries, by id.
    table: HashTable<u32>,
    hasher: RandomState,
    /// The first of the entries that are free; each names the next one as its place.
    free: Option<u32>,
}

/// A [`QueuedMessage`], laid out without a gap.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: Id,
    due: f64,
    timestamp: f64,
    attempts: u32,
    /// Where it stands in the heap.
    place: u32,
}

impl Entry {
    fn new(message: QueuedMessage, place: u32) -> Self {
        let QueuedMessage { id, due, timestamp, attempts } = message;
        Self { id, due, timestamp, attempts, place }
    }

    fn message(&self) -> QueuedMessage {
        let Self { id, due, timestamp, attempts, .. } = *self;
        QueuedMessage { id, due, timestamp, attempts }
    }
}

impl Schedule {
    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The message that is due first.
    pub(super) fn first(&self) -> Option<QueuedMessage> {
        self.at(0).map(Entry::message)
    }

    /// The message of this id.
    pub(super) fn get(&self, id: Id) -> Option<QueuedMessage> {
        self.entries.get(self.find(id)?).map(Entry::message)
    }

    /// Adds a message, or moves it to where it is due now. Of those that are due at once, the one goes first that was
    /// added first.
    pub(super) fn put(&mut self, message: QueuedMessage) {
        let order = self.order_of(message.id).unwrap_or(self.added);
        self.put_in_order(message, order);
    }

    /// The same of one that stands in another schedule after so many others.
    pub(super) fn put_in_order(&mut self, message: QueuedMessage, order: u32) {
        let found = self.find(message.id);
        let place = match found.and_then(|number| self.entries.get_mut(number)) {
            Some(entry) => {
                *entry = Entry::new(message, entry.place);
                entry.place
            }
            None => self.add(message, order),
        };
        self.see(message.id);
        self.settle(place);
    }

    /// After how many others a message was added.
    pub(super) fn order_of(&self, id: Id) -> Option<u32> {
        self.order.get(self.find(id)?).copied()
    }

    /// A message is there, whatever its record says.
    pub(super) fn see(&mut self, id: Id) {
        if let Some(seen) = self.find(id).and_then(|number| self.seen.get_mut(number)) {
            *seen = true;
        }
    }

    /// A scan begins, which sees every message that is there.
    pub(super) fn begin_scan(&mut self) {
        for number in 0..u32::try_from(self.seen.len()).unwrap_or(NONE) {
            if let Some(seen) = self.seen.get_mut(number) {
                *seen = false;
            }
        }
    }

    /// The scan has ended: takes off the messages that it has not seen.
    pub(super) fn end_scan(&mut self) -> Vec<QueuedMessage> {
        let places = 0..u32::try_from(self.len()).unwrap_or(NONE);
        let unseen = places.filter_map(|place| {
            let number = *self.heap.get(place)?;
            if *self.seen.get(number)? { None } else { Some(self.entries.get(number)?.id) }
        });
        let unseen: Vec<Id> = unseen.collect();
        unseen.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes the message that is due first, if it is due by `now`.
    pub(super) fn pop_due(&mut self, now: f64) -> Option<QueuedMessage> {
        let first = self.first().filter(|message| message.due <= now)?;
        self.remove(first.id)
    }

    /// Takes a message off.
    pub(super) fn remove(&mut self, id: Id) -> Option<QueuedMessage> {
        let entries = &self.entries;
        let is_it = |number: &u32| entries.get(*number).is_some_and(|entry| entry.id == id);
        let (number, _) = self.table.find_entry(self.hasher.hash_one(id), is_it).ok()?.remove();
        let entry = *self.entries.get(number)?;
        let last = self.heap.pop()?;
        if last != number {
            self.stand(entry.place, last);
            self.settle(entry.place);
        }
        let next = self.free.replace(number).unwrap_or(NONE);
        if let Some(free) = self.entries.get_mut(number) {
            free.place = next;
        }
        Some(entry.message())
    }

    /// Lets every message that was attempted before be due at `now`, unless it was due earlier, and by
    /// something else than the last time that this was done.
    pub(super) fn flush(&mut self, now: f64, last: f64) {
        let places = 0..u32::try_from(self.len()).unwrap_or(NONE);
        for place in places.clone() {
            let entry = self.heap.get(place).copied().and_then(|number| self.entries.get_mut(number));
            if let Some(entry) = entry.filter(|entry| entry.attempts > 0) {
                entry.due = if entry.due == last { now } else { entry.due.min(now) };
            }
        }
        for place in places.rev() {
            self.sink(place);
        }
    }

    fn find(&self, id: Id) -> Option<u32> {
        let is_it = |number: &u32| self.entries.get(*number).is_some_and(|entry| entry.id == id);
        self.table.find(self.hasher.hash_one(id), is_it).copied()
    }

    fn add(&mut self, message: QueuedMessage, order: u32) -> u32 {
        self.added = self.added.wrapping_add(1);
        let place = u32::try_from(self.heap.len()).unwrap_or(NONE);
        let entry = Entry::new(message, place);
        let number = match self.free {
            Some(number) => {
                if let Some(free) = self.entries.get_mut(number) {
                    self.free = Some(free.place).filter(|next| *next != NONE);
                    *free = entry;
                }
                if let Some(place) = self.order.get_mut(number) {
                    *place = order;
                }
                number
            }
            None => {
                self.seen.push(true);
                self.order.push(order);
                self.entries.push(entry)
            }
        };
        self.heap.push(number);
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |number: &u32| entries.get(*number).map_or(0, |entry| hasher.hash_one(entry.id));
        self.table.insert_unique(hasher.hash_one(message.id), number, hash);
        place
    }

    fn at(&self, place: u32) -> Option<&Entry> {
        self.entries.get(*self.heap.get(place)?)
    }

    /// Whether what stands at a place goes before what stands at another one; nothing goes first.
    fn goes_before(&self, one: u32, other: u32) -> bool {
        let key = |place: u32| {
            let number = *self.heap.get(place)?;
            Some((self.entries.get(number)?.due, *self.order.get(number)?))
        };
        match (key(one), key(other)) {
            (Some((due, order)), Some((due_then, order_then))) => {
                due < due_then || (due == due_then && order.wrapping_sub(order_then) > u32::MAX / 2)
            }
            (one, _) => one.is_some(),
        }
    }

    /// Puts a entry at a place of the heap.
    fn stand(&mut self, place: u32, number: u32) {
        if let Some(at) = self.heap.get_mut(place) {
            *at = number;
        }
        if let Some(entry) = self.entries.get_mut(number) {
            entry.place = place;
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        if let (Some(first), Some(second)) = (self.heap.get(one).copied(), self.heap.get(other).copied()) {
            self.stand(one, second);
            self.stand(other, first);
        }
    }

    /// Moves what stands at a place to where it belongs.
    fn settle(&mut self, mut place: u32) {
        while place > 0 {
            let parent = place.wrapping_sub(1) / 2;
            if !self.goes_before(place, parent) {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        self.sink(place);
    }

    /// Moves what stands at a place down to where it belongs; below it the order holds.
    fn sink(&mut self, mut place: u32) {
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let child = if self.goes_before(right, left) { right } else { left };
            if !self.goes_before(child, place) {
                break;
            }
            self.swap(place, child);
            place = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn message(number: u64, due: f64) -> QueuedMessage {
        QueuedMessage { id: id(number), due, timestamp: due, attempts: attempts(id(number)) }
    }

    fn attempts(id: Id) -> u32 {
        u32::from(id.as_u128().is_multiple_of(2))
    }

    fn id(number: u64) -> Id {
        Id::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    #[test]
    fn it_holds_and_orders_what_a_plain_model_does() {
        let mut schedule = Schedule::default();
        let mut model = BTreeMap::new();
        let mut random = 1_u64;
        for step in 0..60_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, due) = ((random >> 33) % 3_000, f64::from((random >> 40) as u32 % 10_000));
            match (random >> 20) % 5 {
                0 => assert_eq!(schedule.remove(id(number)).map(|w| w.due), model.remove(&id(number))),
                1 => {
                    let first = schedule.pop_due(due);
                    let least = model.values().copied().fold(f64::INFINITY, f64::min);
                    assert_eq!(first.map(|w| w.due), Some(least).filter(|least| *least <= due));
                    if let Some(first) = first {
                        assert_eq!(model.remove(&first.id), Some(first.due));
                    }
                }
                _ => {
                    schedule.put(message(number, due));
                    model.insert(id(number), due);
                }
            }
            assert_eq!(schedule.len(), model.len());
            if step % 20_000 == 19_999 {
                schedule.flush(5_000.0, f64::NEG_INFINITY);
                for (id, due) in &mut model {
                    *due = if attempts(*id) > 0 { due.min(5_000.0) } else { *due };
                }
            }
        }
        for (id, due) in &model {
            assert_eq!(schedule.get(*id).map(|w| w.due), Some(*due));
        }
        let mut last = f64::NEG_INFINITY;
        while let Some(first) = schedule.pop_due(f64::INFINITY) {
            assert!(first.due >= last);
            last = first.due;
            model.remove(&first.id);
        }
        assert!(model.is_empty() && schedule.len() == 0);
    }

    #[test]
    fn what_a_scan_has_not_seen_is_taken_off_unless_it_was_added_meanwhile() {
        let mut schedule = Schedule::default();
        for number in 0..4 {
            schedule.put(message(number, 10.0));
        }
        schedule.remove(id(3));
        schedule.begin_scan();
        schedule.see(id(1));
        schedule.put(message(2, 20.0));
        schedule.put(message(4, 10.0));
        let gone: Vec<Id> = schedule.end_scan().into_iter().map(|message| message.id).collect();
        assert_eq!((gone, schedule.len()), (vec![id(0)], 3));
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let mut schedule = Schedule::default();
        schedule.put(message(1, 10.0));
        assert_eq!(schedule.pop_due(9.9), None);
        assert_eq!(schedule.pop_due(10.0), Some(message(1, 10.0)));
        assert_eq!(schedule.pop_due(f64::INFINITY), None);
    }

    #[test]
    fn a_million_messages_take_at_most_sixty_four_bytes_each() {
        const COUNT: usize = 1_000_000;
        let mut schedule = Schedule::default();
        for number in 0..COUNT as u64 {
            schedule.put(message(number, 0.0));
        }
        let Schedule { entries, seen, heap, table, .. } = &schedule;
        let bytes = entries.allocated() * size_of::<Entry>()
            + seen.allocated() * size_of::<bool>()
            + heap.allocated() * size_of::<u32>()
            + table.allocation_size() * 3 / 2; // while it grows, the one before is there, too
        assert!(bytes <= 64 * COUNT, "{} bytes", bytes as f64 / COUNT as f64);
    }
}
