//! What waits, ordered by when it is due.
//!
//! An indexed binary heap: slots that stay where they are, a heap of their numbers, and a table that
//! finds the slot of an id. Slots and heap grow by chunks, so that growing leaves no large block
//! behind and a million messages stay within 64 bytes each.

use crate::id::Id;

/// Number of elements allocated at once.
const CHUNK: usize = 2048;
/// Stands for "no slot".
const NONE: u32 = u32::MAX;

/// A message that waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// The message.
    pub id: Id,
    /// When it is due, in milliseconds on the clock of the schedule.
    pub due: f64,
    /// What its record said when it was scheduled: the time of the next attempt,
    pub timestamp: f64,
    /// and how often delivery was attempted.
    pub attempts: u32,
}

/// Messages by due time. Adding, moving and taking one costs O(log n).
#[derive(Debug, Default)]
pub struct Schedule {
    slots: Chunks<Slot>,
    heap: Chunks<u32>,
    table: Table,
    /// The first of the slots that are free; each names the next one as its place.
    free: Option<u32>,
}

/// A [`Waiting`], laid out without a gap.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: Id,
    due: f64,
    timestamp: f64,
    attempts: u32,
    /// Where it stands in the heap.
    place: u32,
}

impl Slot {
    fn new(waiting: Waiting, place: u32) -> Self {
        let Waiting { id, due, timestamp, attempts } = waiting;
        Self { id, due, timestamp, attempts, place }
    }

    fn waiting(&self) -> Waiting {
        let Self { id, due, timestamp, attempts, .. } = *self;
        Waiting { id, due, timestamp, attempts }
    }
}

impl Schedule {
    /// An empty schedule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message that is due first.
    #[must_use]
    pub fn first(&self) -> Option<Waiting> {
        self.at(0).map(Slot::waiting)
    }

    /// The message of this id.
    #[must_use]
    pub fn get(&self, id: Id) -> Option<Waiting> {
        let slot = self.table.find(id, &|slot| self.id_of(slot))?;
        self.slots.get(slot).map(Slot::waiting)
    }

    /// Adds a message, or moves it to where it is due now.
    pub fn put(&mut self, waiting: Waiting) {
        let found = self.table.find(waiting.id, &|slot| self.id_of(slot));
        let place = match found.and_then(|slot| self.slots.get_mut(slot)) {
            Some(slot) => {
                *slot = Slot::new(waiting, slot.place);
                slot.place
            }
            None => self.add(waiting),
        };
        self.settle(place);
    }

    /// Takes the message that is due first, if it is due by `now`.
    pub fn pop_due(&mut self, now: f64) -> Option<Waiting> {
        let first = self.first().filter(|waiting| waiting.due <= now)?;
        self.remove(first.id)
    }

    /// Takes a message off.
    pub fn remove(&mut self, id: Id) -> Option<Waiting> {
        let number = self.table.find(id, &|slot| self.id_of(slot))?;
        let slot = *self.slots.get(number)?;
        let (slots, table) = (&self.slots, &mut self.table);
        table.remove(id, &|slot| slots.get(slot).map_or(id, |slot| slot.id));
        let last = self.heap.pop()?;
        if last != number {
            self.stand(slot.place, last);
            self.settle(slot.place);
        }
        let next = self.free.replace(number).unwrap_or(NONE);
        if let Some(free) = self.slots.get_mut(number) {
            free.place = next;
        }
        Some(slot.waiting())
    }

    /// Lets every message be due at `now`, unless it was due before.
    pub fn hurry(&mut self, now: f64) {
        // The order is kept: what was due later is now due at the same time.
        for place in 0..u32::try_from(self.len()).unwrap_or(NONE) {
            let slot = self.heap.get(place).copied();
            if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
                slot.due = slot.due.min(now);
            }
        }
    }

    fn add(&mut self, waiting: Waiting) -> u32 {
        let place = u32::try_from(self.heap.len).unwrap_or(NONE);
        let slot = Slot::new(waiting, place);
        let number = match self.free {
            Some(number) => {
                if let Some(free) = self.slots.get_mut(number) {
                    self.free = Some(free.place).filter(|next| *next != NONE);
                    *free = slot;
                }
                number
            }
            None => self.slots.push(slot),
        };
        self.heap.push(number);
        let slots = &self.slots;
        self.table.insert(waiting.id, number, &|slot| slots.get(slot).map_or(waiting.id, |slot| slot.id));
        place
    }

    fn at(&self, place: u32) -> Option<&Slot> {
        self.slots.get(*self.heap.get(place)?)
    }

    fn id_of(&self, slot: u32) -> Id {
        self.slots.get(slot).map_or(Id::from_u128(0), |slot| slot.id)
    }

    fn due_at(&self, place: u32) -> f64 {
        self.at(place).map_or(f64::INFINITY, |slot| slot.due)
    }

    /// Puts a slot at a place of the heap.
    fn stand(&mut self, place: u32, number: u32) {
        if let Some(at) = self.heap.get_mut(place) {
            *at = number;
        }
        if let Some(slot) = self.slots.get_mut(number) {
            slot.place = place;
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
            if self.due_at(parent) <= self.due_at(place) {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let child = if self.due_at(right) < self.due_at(left) { right } else { left };
            if self.due_at(child) >= self.due_at(place) {
                break;
            }
            self.swap(place, child);
            place = child;
        }
    }
}

/// A list that grows by chunks and never moves what is in it.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    fn get(&self, number: u32) -> Option<&T> {
        let number = usize::try_from(number).ok()?;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let number = usize::try_from(number).ok()?;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    fn push(&mut self, value: T) -> u32 {
        let number = self.len;
        let chunk = number / CHUNK;
        if self.chunks.len() <= chunk {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            chunk.push(value);
        }
        self.len = number.saturating_add(1);
        u32::try_from(number).unwrap_or(NONE)
    }

    /// Takes the last one; its chunk stays for the next.
    fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        self.chunks.get_mut(self.len / CHUNK)?.pop()
    }
}

/// Numbers of slots by id: open addressing, each as near as may be to where its id belongs.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One more than the number of a slot, or 0; as many as a power of two.
    cells: Vec<u32>,
    len: usize,
}

impl Table {
    pub(super) fn find(&self, id: Id, id_of: &dyn Fn(u32) -> Id) -> Option<u32> {
        let mut cell = self.home(id);
        loop {
            let slot = self.cells.get(cell)?.checked_sub(1)?;
            if id_of(slot) == id {
                return Some(slot);
            }
            cell = self.after(cell);
        }
    }

    /// Adds an id that is not there.
    pub(super) fn insert(&mut self, id: Id, slot: u32, id_of: &dyn Fn(u32) -> Id) {
        if self.len.saturating_mul(8) >= self.cells.len().saturating_mul(7) {
            let cells = vec![0; self.cells.len().saturating_mul(2).max(16)];
            for slot in std::mem::replace(&mut self.cells, cells).into_iter().filter_map(|cell| cell.checked_sub(1)) {
                self.place(id_of(slot), slot);
            }
        }
        self.place(id, slot);
        self.len = self.len.saturating_add(1);
    }

    fn place(&mut self, id: Id, slot: u32) {
        let mut cell = self.home(id);
        while self.cells.get(cell).is_some_and(|taken| *taken != 0) {
            cell = self.after(cell);
        }
        if let Some(free) = self.cells.get_mut(cell) {
            *free = slot.saturating_add(1);
        }
    }

    /// Takes an id that is there off, and lets those behind it move up.
    pub(super) fn remove(&mut self, id: Id, id_of: &dyn Fn(u32) -> Id) {
        let mut hole = self.home(id);
        while self.slot(hole).is_some_and(|slot| id_of(slot) != id) {
            hole = self.after(hole);
        }
        let mut cell = hole;
        loop {
            cell = self.after(cell);
            let Some(slot) = self.slot(cell) else { break };
            let mask = self.cells.len().wrapping_sub(1);
            let far = cell.wrapping_sub(self.home(id_of(slot))) & mask;
            if far >= cell.wrapping_sub(hole) & mask {
                self.set(hole, slot.saturating_add(1));
                hole = cell;
            }
        }
        self.set(hole, 0);
        self.len = self.len.saturating_sub(1);
    }

    fn slot(&self, cell: usize) -> Option<u32> {
        self.cells.get(cell)?.checked_sub(1)
    }

    fn set(&mut self, cell: usize, value: u32) {
        if let Some(cell) = self.cells.get_mut(cell) {
            *cell = value;
        }
    }

    /// Where an id belongs.
    fn home(&self, id: Id) -> usize {
        let number = id.as_u128();
        let mixed = (number as u64 ^ (number >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(40);
        (mixed as usize).checked_rem(self.cells.len()).unwrap_or(0)
    }

    fn after(&self, cell: usize) -> usize {
        cell.wrapping_add(1) & self.cells.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn waiting(number: u64, due: f64) -> Waiting {
        Waiting { id: id(number), due, timestamp: due, attempts: 0 }
    }

    fn id(number: u64) -> Id {
        Id::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    #[test]
    fn it_holds_and_orders_what_a_plain_model_does() {
        let mut schedule = Schedule::new();
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
                    schedule.put(waiting(number, due));
                    model.insert(id(number), due);
                }
            }
            assert_eq!(schedule.len(), model.len());
            if step % 20_000 == 19_999 {
                schedule.hurry(5_000.0);
                model.values_mut().for_each(|due| *due = due.min(5_000.0));
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
        assert!(model.is_empty() && schedule.is_empty());
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let mut schedule = Schedule::new();
        schedule.put(waiting(1, 10.0));
        assert_eq!(schedule.pop_due(9.9), None);
        assert_eq!(schedule.pop_due(10.0), Some(waiting(1, 10.0)));
        assert_eq!(schedule.pop_due(f64::INFINITY), None);
    }

    #[test]
    fn a_slot_takes_at_most_forty_bytes() {
        assert!(size_of::<Slot>() <= 40);
    }
}
