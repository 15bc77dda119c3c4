//! What is kept by id: a table in rows, a sixth of the code of a general one.

use crate::id::Id;

/// How many are in a row on average at most.
const FULL: usize = 4;

/// Values by id, in no order. Adding and finding one costs the same however many there are.
#[derive(Debug)]
pub(crate) struct IdMap<V> {
    rows: Vec<Vec<(Id, V)>>,
    len: usize,
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self { rows: Vec::new(), len: 0 }
    }
}

impl<V> IdMap<V> {
    pub(crate) fn get(&self, id: Id) -> Option<&V> {
        let row = self.rows.get(id.spread(self.rows.len()))?;
        row.iter().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.iter().flatten().map(|(_, value)| value)
    }

    /// Puts a value in the place of the one that was there, which it returns.
    pub(crate) fn insert(&mut self, id: Id, value: V) -> Option<V> {
        if self.len >= self.rows.len().saturating_mul(FULL) {
            self.grow();
        }
        let places = self.rows.len();
        let row = self.rows.get_mut(id.spread(places))?;
        if let Some((_, old)) = row.iter_mut().find(|(other, _)| *other == id) {
            return Some(core::mem::replace(old, value));
        }
        row.push((id, value));
        self.len = self.len.saturating_add(1);
        None
    }

    pub(crate) fn remove(&mut self, id: Id) {
        self.retain_in(id.spread(self.rows.len()), |other, _| other != id);
    }

    pub(crate) fn retain(&mut self, stays: impl Fn(Id, &V) -> bool) {
        for place in 0..self.rows.len() {
            self.retain_in(place, &stays);
        }
    }

    fn retain_in(&mut self, place: usize, stays: impl Fn(Id, &V) -> bool) {
        let Some(row) = self.rows.get_mut(place) else { return };
        let before = row.len();
        row.retain(|(id, value)| stays(*id, value));
        self.len = self.len.saturating_sub(before.saturating_sub(row.len()));
    }

    fn grow(&mut self) {
        let places = self.rows.len().saturating_mul(2).max(16);
        let old = core::mem::take(&mut self.rows);
        self.rows.resize_with(places, Vec::new);
        for (id, value) in old.into_iter().flatten() {
            if let Some(row) = self.rows.get_mut(id.spread(places)) {
                row.push((id, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_holds_what_a_plain_map_holds() {
        let (mut table, mut model) = (IdMap::default(), HashMap::new());
        for step in 0_u64..20_000 {
            let random = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let id = Id::from_u128(u128::from(random % 3_000));
            if random % 5 == 0 {
                table.remove(id);
                model.remove(&id);
            } else {
                assert_eq!(table.insert(id, step), model.insert(id, step));
            }
            if step % 7_000 == 6_999 {
                table.retain(|_, value| value % 3 != 0);
                model.retain(|_, value| *value % 3 != 0);
            }
        }
        assert_eq!(table.len, model.len());
        assert_eq!(table.values().sum::<u64>(), model.values().sum());
        for number in 0..3_000 {
            let id = Id::from_u128(number);
            assert_eq!(table.get(id), model.get(&id));
        }
    }
}
