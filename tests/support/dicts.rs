//! Two plain dictionaries.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use slimta_queue_dict::host::{Check, Dict, Page, Sizes, Stored, Write};
use slimta_queue_dict::{Envelope, Id, Meta};

/// What a host keeps. Tests look into it and damage it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dicts {
    pub envelopes: BTreeMap<Id, Stored<Envelope>>,
    pub meta: BTreeMap<Id, Stored<Meta>>,
    /// Keys of the meta dictionary that are no ids.
    pub foreign_keys: Vec<String>,
}

impl Dicts {
    pub fn holds(&self, id: Id, check: &Check<Stored<Meta>>) -> bool {
        match check {
            Check::Absent(Dict::Envelope) => !self.envelopes.contains_key(&id),
            Check::Absent(Dict::Meta) => !self.meta.contains_key(&id),
            Check::Unchanged(version) => self.meta.get(&id) == Some(version),
        }
    }

    pub fn write(&mut self, id: Id, write: Write<Envelope>) {
        match write {
            Write::Envelope(envelope) => drop(self.envelopes.insert(id, Stored::Good(envelope))),
            Write::Meta(meta) => drop(self.meta.insert(id, Stored::Good(meta))),
            Write::Delete(Dict::Envelope) => drop(self.envelopes.remove(&id)),
            Write::Delete(Dict::Meta) => drop(self.meta.remove(&id)),
        }
    }

    /// Walks over the keys of both dictionaries, as a host with one key space does, so that a page
    /// can be empty before the last one.
    pub fn page(&self, dict: Dict, cursor: Option<Id>, limit: usize) -> Page<Id> {
        let after = (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let envelopes = self.envelopes.range(after).map(|(id, _)| *id);
        let keys: BTreeSet<Id> = envelopes.chain(self.meta.range(after).map(|(id, _)| *id)).collect();
        let walked: Vec<Id> = keys.into_iter().take(limit).collect();
        let next = if walked.len() < limit { None } else { walked.last().copied() };
        let entries = walked.into_iter().filter_map(|id| match dict {
            Dict::Envelope => self.envelopes.contains_key(&id).then_some((id, None)),
            Dict::Meta => self.meta.get(&id).map(|meta| (id, Some(meta.clone()))),
        });
        let foreign_keys = if dict == Dict::Meta && cursor.is_none() { self.foreign_keys.clone() } else { Vec::new() };
        Page { entries: entries.collect(), foreign_keys, next }
    }

    pub fn sizes(&self) -> Sizes {
        let count = |length| u64::try_from(length).unwrap();
        Sizes { size: count(self.envelopes.len()), meta_size: count(self.meta.len()) }
    }
}
