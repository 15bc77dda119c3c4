//! Whose claims end early: owners of whom somebody can know that they are gone.
//!
//! A claim ends by time. It ends before that only where the name of its owner says how its end is known:
//! `here:` a queue of this process, on a host that one process alone can have; in JavaScript `lock:`
//! whoever holds a lock of that name.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// How many owners are remembered: each queue of each process has a name of its own.
pub(super) const MOST: usize = 1_000;

/// The owners that were met, and whether each is known to be gone.
#[derive(Debug, Default)]
pub(super) struct Owners {
    is_gone: HashMap<String, bool>,
    /// Those of whom nobody was asked yet.
    met: Vec<String>,
    /// Hears that there is one.
    pub(super) has_met: Arc<Notify>,
}

impl Owners {
    /// Whether an owner is known to be gone. Of one that is met first, somebody is to be asked.
    pub(super) fn is_gone(&mut self, owner: &str) -> bool {
        if let Some(is_gone) = self.is_gone.get(owner) {
            return *is_gone;
        }
        self.is_gone.insert(owner.to_owned(), false);
        self.met.push(owner.to_owned());
        self.has_met.notify_one();
        false
    }

    /// Whether they are so many that most of their claims have ended.
    pub(super) fn are_many(&self) -> bool {
        self.is_gone.len() > MOST
    }

    /// Forgets them all: whoever is met again is asked about again.
    pub(super) fn forget(&mut self) {
        (self.is_gone, self.met) = (HashMap::new(), Vec::new());
    }

    /// Whoever is not known to be gone is to be asked about again: nobody waits for them any more.
    pub(super) fn ask_again(&mut self) {
        self.met = self.is_gone.iter().filter(|(_, is_gone)| !**is_gone).map(|(owner, _)| owner.clone()).collect();
    }

    /// Those that were met since the last call.
    pub(super) fn take_met(&mut self) -> Vec<String> {
        std::mem::take(&mut self.met)
    }

    /// An owner is gone.
    pub(super) fn leave(&mut self, owner: String) {
        self.is_gone.insert(owner, true);
    }
}

#[cfg(not(target_family = "wasm"))]
pub(super) mod here {
    //! The queues of this process.

    use std::collections::HashSet;
    use std::sync::{LazyLock, Mutex, PoisonError};

    const PREFIX: &str = "here:";
    static LIVE: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

    /// The name of a queue, which lives until this is dropped.
    #[derive(Debug)]
    pub(in crate::queue) struct Live(String);

    impl Live {
        /// `id` is no other's.
        pub(in crate::queue) fn new(id: &str) -> Self {
            let name = format!("{PREFIX}{id}");
            LIVE.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
            Self(name)
        }

        pub(in crate::queue) fn name(&self) -> &str {
            &self.0
        }
    }

    impl Drop for Live {
        fn drop(&mut self) {
            LIVE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        }
    }

    /// Whether an owner was a queue of this process, or of one before it on the same host, and is no more.
    pub(in crate::queue) fn is_gone(owner: &str) -> bool {
        owner.starts_with(PREFIX) && !LIVE.lock().unwrap_or_else(PoisonError::into_inner).contains(owner)
    }
}
