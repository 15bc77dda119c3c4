//! A list that grows by chunks, so that growing leaves no large block behind.

/// Number of elements allocated at once: as many messages as one page of wasm memory has room for.
const CHUNK: usize = 1600;

/// A list that grows by chunks and never moves what is in it.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// For how many elements there is room.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.chunks.len().saturating_mul(CHUNK)
    }

    /// Of the first element the number is 0.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = usize::try_from(number).ok()?;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let number = usize::try_from(number).ok()?;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    /// Adds an element and returns its number.
    pub(super) fn push(&mut self, value: T) -> u32 {
        let number = self.len;
        let chunk = number / CHUNK;
        if self.chunks.len() <= chunk {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            chunk.push(value);
        }
        self.len = number.saturating_add(1);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Takes the last one; its chunk stays for the next.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        self.chunks.get_mut(self.len / CHUNK)?.pop()
    }
}
