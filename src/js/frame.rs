//! Memory that both sides use, so that numbers and ids cross without being allocated.

use core::cell::Cell;

use crate::id::Id;

/// Whatever crossed last. It is taken before any other code runs.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) numbers: Cell<[f64; 4]>,
    id: Cell<[u8; 32]>,
}

impl Frame {
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
