//! Blocks that differ from those on the disk, kept in temporary files.

use std::io;

use blockio::{ReadAt, Spool, WriteAt, is_zero, len_u64};

use crate::error::Error;
use crate::geometry::to_index;
use crate::runs::BlockRun;

/// Bits of the set of blocks that are held in memory, in bytes: neighbours are
/// taken in together.
const WINDOW_BYTES: usize = 4096;

/// Blocks whose bits are looked at together when runs are looked for.
const LOOK_BLOCKS: u64 = 1 << 15;

/// Blocks by their numbers, and what they hold now. Both are in files without
/// names, so that memory does not depend on how many there are.
#[derive(Debug)]
pub(super) struct Patches {
    block_bits: u32,
    /// The blocks, each at its own place.
    contents: Spool,
    /// A bit for each block.
    marks: Spool,
    window: Vec<u8>,
    window_at: u64,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "blocks of a filesystem, whose bytes 64 bits count"
)]
impl Patches {
    /// No patches for a disk of `disk_bytes`.
    pub(super) fn new(disk_bytes: u64, block_bits: u32) -> Result<Self, Error> {
        let new = || {
            let (contents, marks) = (Spool::new()?, Spool::new()?);
            let blocks = (disk_bytes >> block_bits) + 1;
            contents.set_size(blocks << block_bits)?;
            marks.set_size((blocks / 8 + 1).next_multiple_of(len_u64(WINDOW_BYTES)))?;
            Ok((contents, marks))
        };
        let (contents, marks) = new().map_err(Error::Spool)?;
        Ok(Self {
            block_bits,
            contents,
            marks,
            window: vec![0; WINDOW_BYTES],
            window_at: 0,
        })
    }

    /// Lets `block` be `bytes` from now on.
    pub(super) fn store(&mut self, block: u64, bytes: &[u8]) -> Result<(), Error> {
        let was_there = self.contains(block)?;
        if was_there || !is_zero(bytes) {
            let at = block << self.block_bits;
            self.contents.write_at(at, bytes).map_err(Error::Spool)?;
        }
        if let Some(byte) = self.window.get_mut(to_index(block / 8 - self.window_at)) {
            *byte |= 1 << (block % 8);
        }
        Ok(())
    }

    /// Whether `block` was stored.
    pub(super) fn contains(&mut self, block: u64) -> Result<bool, Error> {
        let at = block / 8 / len_u64(WINDOW_BYTES) * len_u64(WINDOW_BYTES);
        if at != self.window_at {
            self.flush()?;
            self.marks
                .read_at(at, &mut self.window)
                .map_err(Error::Spool)?;
            self.window_at = at;
        }
        let byte = self.window.get(to_index(block / 8 - at));
        Ok(byte.is_some_and(|byte| byte >> (block % 8) & 1 == 1))
    }

    /// Writes what is in memory alone. What was stored can be read then.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let written = self.marks.write_at(self.window_at, &self.window);
        written.map_err(Error::Spool)
    }

    /// Writes the stored blocks over `buf`, which holds the bytes at `offset`.
    pub(super) fn apply(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + len_u64(buf.len());
        let block_end = end.div_ceil(1 << self.block_bits);
        let mut next = offset >> self.block_bits;
        while let Some(run) = self.next_run(BlockRun {
            start: next,
            end: block_end,
        })? {
            let start = (run.start << self.block_bits).max(offset);
            let stop = (run.end << self.block_bits).min(end);
            let within = to_index(start - offset)..to_index(stop - offset);
            if let Some(bytes) = buf.get_mut(within) {
                self.contents.read_at(start, bytes)?;
            }
            next = run.end;
        }
        Ok(())
    }

    /// The first stored blocks of `within` that lie side by side.
    pub(super) fn next_run(&self, within: BlockRun) -> io::Result<Option<BlockRun>> {
        let mut found: Option<BlockRun> = None;
        let mut at = within.start;
        let mut bits = Vec::new();
        while at < within.end {
            let end = (at / LOOK_BLOCKS * LOOK_BLOCKS + LOOK_BLOCKS).min(within.end);
            let first = at / 8;
            bits.resize(to_index(end.div_ceil(8) - first), 0);
            self.marks.read_at(first, &mut bits)?;
            let is_stored = |block: u64| {
                let byte = bits.get(to_index(block / 8 - first));
                byte.is_some_and(|byte| byte >> (block % 8) & 1 == 1)
            };
            for block in at..end {
                match &mut found {
                    Some(run) if is_stored(block) => run.end = block + 1,
                    Some(_) => return Ok(found),
                    None if is_stored(block) => found = Some(BlockRun::new(block, 1)),
                    None => {}
                }
            }
            at = end;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_blocks_are_read_in_their_places() {
        let mut patches = Patches::new(1 << 40, 10).unwrap();
        // Two neighbours, one in another window, and one of zeros.
        for block in [7, 8, 100_000, 200] {
            assert!(!patches.contains(block).unwrap());
            let byte = u8::try_from(block % 100).unwrap();
            patches.store(block, &[byte; 1024]).unwrap();
            assert!(patches.contains(block).unwrap());
        }
        patches.flush().unwrap();
        let runs = |within| patches.next_run(within).unwrap();
        let all = BlockRun {
            start: 0,
            end: 1 << 30,
        };
        assert_eq!(runs(all), Some(BlockRun { start: 7, end: 9 }));
        let next = BlockRun { start: 9, ..all };
        assert_eq!(runs(next), Some(BlockRun::new(200, 1)));
        let next = BlockRun { start: 201, ..all };
        assert_eq!(runs(next), Some(BlockRun::new(100_000, 1)));
        let none = BlockRun { start: 0, end: 7 };
        assert_eq!(runs(none), None);

        let mut buf = [b'x'; 3000];
        patches.apply(7 * 1024 + 1000, &mut buf).unwrap();
        assert!(buf[..24].iter().all(|byte| *byte == 7));
        assert!(buf[24..1048].iter().all(|byte| *byte == 8));
        assert!(buf[1048..].iter().all(|byte| *byte == b'x'));
        patches.apply(200 * 1024 - 1, &mut buf[..3]).unwrap();
        assert_eq!(buf[..3], [7, 0, 0]);
    }

    #[test]
    fn a_block_is_stored_again() {
        let mut patches = Patches::new(1 << 20, 10).unwrap();
        patches.store(3, &[1; 1024]).unwrap();
        patches.store(3, &[0; 1024]).unwrap();
        patches.flush().unwrap();
        let mut buf = [9; 1024];
        patches.apply(3 * 1024, &mut buf).unwrap();
        assert_eq!(buf, [0; 1024]);
    }
}
