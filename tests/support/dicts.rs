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
    pub strangers: Vec<String>,
}

impl Dicts {
    pub fn holds(&self, check: &Check<Id, Stored<Meta>>) -> bool {
        match check {
            Check::Absent(Dict::Envelope, id) => !self.envelopes.contains_key(id),
            Check::Absent(Dict::Meta, id) => !self.meta.contains_key(id),
            Check::Unchanged(id, version) => self.meta.get(id) == Some(version),
        }
    }

    pub fn write(&mut self, write: Write<Id, Envelope>) {
        match write {
            Write::Envelope(id, envelope) => drop(self.envelopes.insert(id, Stored::Good(envelope))),
            Write::Meta(id, meta) => drop(self.meta.insert(id, Stored::Good(meta))),
            Write::Delete(Dict::Envelope, id) => drop(self.envelopes.remove(&id)),
            Write::Delete(Dict::Meta, id) => drop(self.meta.remove(&id)),
        }
    }

    /// Walks over the keys of both dictionaries, as a host with one key space does, so that a page
    /// can be empty before the last one.
    pub fn page(&self, dict: Dict, cursor: Option<Id>, limit: usize) -> Page<Id, Id> {
        let after = (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let envelopes = self.envelopes.range(after).map(|(id, _)| *id);
        let keys: BTreeSet<Id> = envelopes.chain(self.meta.range(after).map(|(id, _)| *id)).collect();
        let walked: Vec<Id> = keys.into_iter().take(limit).collect();
        let next = if walked.len() < limit { None } else { walked.last().copied() };
        let entries = walked.into_iter().filter_map(|id| match dict {
            Dict::Envelope => self.envelopes.contains_key(&id).then_some((id, None)),
            Dict::Meta => self.meta.get(&id).map(|meta| (id, Some(meta.clone()))),
        });
        let strangers = if dict == Dict::Meta && cursor.is_none() { self.strangers.clone() } else { Vec::new() };
        Page { entries: entries.collect(), strangers, next }
    }

    pub fn sizes(&self) -> Sizes {
        let count = |length| u64::try_from(length).unwrap();
        Sizes { size: count(self.envelopes.len()), meta_size: count(self.meta.len()) }
    }
}
