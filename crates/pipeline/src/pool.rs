//! Byte buffers that are reused, so that a long run allocates only a few times.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, PoisonError};

/// Alignment of buffers, in bytes. The kernel copies noticeably faster to and from
/// aligned memory, and direct I/O demands it.
const ALIGNMENT_BYTES: usize = 4096;

/// A pool of buffers that wait for their next use.
///
/// As many buffers exist as were ever taken at the same time.
#[derive(Debug, Default)]
pub struct BufferPool(Mutex<Vec<Vec<u8>>>);

impl BufferPool {
    /// Returns an empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a buffer of `length` bytes that hold anything: the zeros of a new one or
    /// what its last user left. It starts at a page boundary.
    #[must_use]
    pub fn take(&self, length: usize) -> PooledBuffer<'_> {
        let mut bytes = self.waiting(Vec::pop).unwrap_or_default();
        let with_padding = length.saturating_add(ALIGNMENT_BYTES);
        if bytes.len() < with_padding {
            bytes.resize(with_padding, 0);
        }
        let start = bytes.as_ptr().align_offset(ALIGNMENT_BYTES);
        PooledBuffer {
            // Aligning may be refused, in theory; the padding says how far to trust it.
            range: if start < ALIGNMENT_BYTES {
                start..start + length
            } else {
                0..length
            },
            bytes,
            pool: self,
        }
    }

    fn waiting<T>(&self, change: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A buffer that goes back to its [`BufferPool`] when dropped.
pub struct PooledBuffer<'p> {
    bytes: Vec<u8>,
    /// The part that is lent out.
    range: Range<usize>,
    pool: &'p BufferPool,
}

impl fmt::Debug for PooledBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PooledBuffer({} bytes)", self.range.len())
    }
}

impl Deref for PooledBuffer<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl DerefMut for PooledBuffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.range.clone()]
    }
}

impl Drop for PooledBuffer<'_> {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.waiting(|waiting| waiting.push(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_used_again_at_the_length_asked_for() {
        let pool = BufferPool::new();
        let mut first = pool.take(8);
        first.fill(7);
        drop(first);
        assert_eq!(&*pool.take(4), [7; 4]);
        assert_eq!(pool.waiting(|waiting| waiting.len()), 1);
        let longer = pool.take(9000);
        assert_eq!(longer.len(), 9000);
        assert_eq!(longer.as_ptr().align_offset(ALIGNMENT_BYTES), 0);
        drop(longer);
        let (_one, _two) = (pool.take(1), pool.take(1));
        assert_eq!(pool.waiting(|waiting| waiting.len()), 0);
    }
}
