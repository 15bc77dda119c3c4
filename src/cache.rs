//! The meta records that were committed last. Each saves the read before the next commit on its
//! message, which is checked; no read is answered from here.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::id::Id;
use crate::meta::Meta;
use crate::sync::{Mutex, lock};

/// How many records are remembered: a thousand messages in work take some hundred kilobytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A record as it was committed last.
#[derive(Clone, Debug)]
pub(crate) struct Known<V> {
    pub(crate) meta: Meta,
    pub(crate) version: V,
    /// How many recipients the envelope has, once that was counted.
    pub(crate) recipients: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Cache<V>(Mutex<LruCache<Id, Known<V>>>);

impl<V> Default for Cache<V> {
    fn default() -> Self {
        // Grows with use: most storages never have so many.
        let mut records = LruCache::unbounded();
        records.resize(REMEMBERED);
        Self(Mutex::new(records))
    }
}

impl<V> Cache<V> {
    pub(crate) fn put(&self, id: Id, known: Known<V>) {
        lock(&self.0).put(id, known);
    }

    /// Takes a record out: until the host has answered the next commit, nobody knows what stands there.
    pub(crate) fn take(&self, id: Id) -> Option<Known<V>> {
        lock(&self.0).pop(&id)
    }
}
