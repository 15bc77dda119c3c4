//! Memory that both sides use, so that numbers and ids cross without being allocated.

use core::cell::Cell;

use crate::id::Id;

/// Whatever crossed last. It is taken before any other code runs.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Frame<const NUMBERS: usize = 4> {
    pub(crate) numbers: Cell<[f64; NUMBERS]>,
    id: Cell<[u8; 32]>,
}

impl<const NUMBERS: usize> Default for Frame<NUMBERS> {
    fn default() -> Self {
        Self { numbers: Cell::new([0.0; NUMBERS]), id: Cell::default() }
    }
}

impl<const NUMBERS: usize> Frame<NUMBERS> {
    /// Where it is in memory: `pkg/seam/frame.js` looks there.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self) as usize
    }

    pub(crate) fn id(&self) -> Option<Id> {
        Id::from_ascii(&self.id.get()).ok()
    }

    pub(crate) fn put_id(&self, id: Id) {
        let mut digits = [0; 32];
        id.encode(&mut digits);
        self.id.set(digits);
    }
}
