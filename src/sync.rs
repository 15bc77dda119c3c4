//! The lock around what calls share: of the standard library, or, where there is none and only one
//! thread, a cell. None is held while foreign code runs.

#[cfg(feature = "std")]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(feature = "std")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(feature = "std"))]
pub(crate) use core::cell::RefCell as Mutex;

#[cfg(not(feature = "std"))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> core::cell::RefMut<'_, T> {
    // Its own panic would bring the whole of formatting along; no lock is held while others run.
    mutex.try_borrow_mut().unwrap_or_else(|_| core::arch::wasm32::unreachable())
}
