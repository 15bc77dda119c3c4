//! The lock around what calls share. None is held while foreign code runs.

pub(crate) use std::sync::{Mutex, MutexGuard};

/// A lock outlives a thread that ended while it held it: what it guards is changed by steps that are whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
