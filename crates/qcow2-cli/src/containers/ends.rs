//! The first and last bytes of a file, by which its format is recognized.

use std::io;

use blockio::{ReadAt, len_u64};

/// Bytes examined at the start of a file. The signature farthest from the start is in
/// the superblock of btrfs.
const HEAD_BYTES: usize = 68 << 10;

/// Bytes examined at the end of a file: a footer.
const TAIL_BYTES: usize = 512;

/// The first and the last bytes of a file.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
    pub(super) size: u64,
}

impl Ends {
    pub(super) fn read(disk: &(impl ReadAt + ?Sized)) -> io::Result<Self> {
        let size = disk.size();
        let part = |length: usize| {
            let length = len_u64(length).min(size);
            vec![0; usize::try_from(length).unwrap_or(0)]
        };
        let (mut head, mut tail) = (part(HEAD_BYTES), part(TAIL_BYTES));
        disk.read_at(0, &mut head)?;
        disk.read_at(size.saturating_sub(len_u64(tail.len())), &mut tail)?;
        Ok(Self { head, tail, size })
    }

    /// Returns whether the head has `bytes` at `at`.
    pub(super) fn has(&self, at: usize, bytes: &[u8]) -> bool {
        let found = self.head.get(at..).unwrap_or_default();
        found.starts_with(bytes)
    }

    /// Returns the byte at `at`, or zero past the end of the head.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.head.get(at).copied().unwrap_or(0)
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        for (index, byte) in array.iter_mut().enumerate() {
            *byte = self.byte(at.saturating_add(index));
        }
        array
    }

    pub(super) fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }
}
