//! The meta records that were committed last. Each saves the read before the next commit on its
//! message, which is checked; no read is answered from here.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::id::Id;
use crate::meta::Meta;
use crate::sync::{Mutex, lock};

/// How many records are remembered: a thousand messages in work take some hundred kilobytes.
const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A record as it was committed last.
#[derive(Clone, Debug)]
pub(crate) struct Cached<V> {
    pub(crate) meta: Meta,
    pub(crate) version: V,
    /// How many recipients the envelope has, once that was counted.
    pub(crate) recipients: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Cache<V>(Mutex<LruCache<Id, Cached<V>>>);

impl<V> Default for Cache<V> {
    fn default() -> Self {
        // Grows with use: most storages never have so many.
        let mut records = LruCache::unbounded();
        records.resize(CAPACITY);
        Self(Mutex::new(records))
    }
}

impl<V> Cache<V> {
    pub(crate) fn put(&self, id: Id, record: Cached<V>) {
        lock(&self.0).put(id, record);
    }

    /// Takes a record out: until the host has answered the next commit, nobody knows what stands there.
    pub(crate) fn take(&self, id: Id) -> Option<Cached<V>> {
        lock(&self.0).pop(&id)
    }
}
