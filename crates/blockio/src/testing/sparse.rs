//! A disk of any length that is almost empty.

use std::io;
use std::ops::Range;

use crate::{ReadAt, len_u64};

/// A disk of any length that holds some parts, and zeros elsewhere: it says where
/// its parts are. It cannot be written.
#[derive(Clone, Debug)]
pub struct Sparse {
    size: u64,
    /// By offset, apart.
    parts: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    /// A disk of `size` zeros.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            size,
            parts: Vec::new(),
        }
    }

    /// The same with `bytes` at `offset`, where no part is yet.
    #[must_use]
    pub fn with(mut self, offset: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.parts.push((offset, bytes.into()));
        self.parts.sort_by_key(|(offset, _)| *offset);
        self
    }

    fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let parts = self.parts.iter();
        parts.map(|(offset, bytes)| *offset..offset.saturating_add(len_u64(bytes.len())))
    }
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(len_u64(buf.len()));
        if end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.fill(0);
        for (start, bytes) in &self.parts {
            // How far the part begins behind the buffer, or the buffer behind it.
            let ahead = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
            let skipped = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX);
            if let (Some(to), Some(from)) = (buf.get_mut(ahead..), bytes.get(skipped..)) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let next = self.ranges().find(|range| range.end > from);
        Ok(next.map(|range| range.start.max(from)..range.end.min(self.size)))
    }
}
