//! Blocks that differ from those on the disk, kept in spools.

use std::io;

use blockio::{NewSpool, Spool, is_zero, len_u64};
use ext_format::error::Error;
use ext_format::geometry::to_index;
use ext_format::runs::BlockRun;

/// Bits of the set of blocks that are held in memory, in bytes: neighbours are
/// taken in together.
const WINDOW_BYTES: usize = 4096;

/// Blocks whose bits are looked at together when runs are looked for.
const LOOK_BLOCKS: u64 = 1 << 15;

/// A set of blocks, a bit for each, in a spool, so that memory does not depend on how
/// many there are.
#[derive(Debug)]
struct Marks {
    bits: Box<dyn Spool>,
    window: Vec<u8>,
    window_at: u64,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "blocks of a filesystem, whose bytes 64 bits count"
)]
impl Marks {
    fn new(blocks: u64, spool: NewSpool<'_>) -> io::Result<Self> {
        let bits = spool()?;
        bits.set_size((blocks / 8 + 1).next_multiple_of(len_u64(WINDOW_BYTES)))?;
        Ok(Self {
            bits,
            window: vec![0; WINDOW_BYTES],
            window_at: 0,
        })
    }

    /// The byte with the bit of `block`.
    fn byte(&mut self, block: u64) -> io::Result<Option<&mut u8>> {
        let window_bytes = len_u64(WINDOW_BYTES);
        let at = block / 8 / window_bytes * window_bytes;
        if at != self.window_at {
            self.flush()?;
            self.bits.read_at(at, &mut self.window)?;
            self.window_at = at;
        }
        Ok(self.window.get_mut(to_index(block / 8 - at)))
    }

    fn insert(&mut self, block: u64) -> io::Result<()> {
        if let Some(byte) = self.byte(block)? {
            *byte |= 1 << (block % 8);
        }
        Ok(())
    }

    fn contains(&mut self, block: u64) -> io::Result<bool> {
        let byte = self.byte(block)?;
        Ok(byte.is_some_and(|byte| *byte >> (block % 8) & 1 == 1))
    }

    /// Writes what is in memory alone: runs can be read then.
    fn flush(&mut self) -> io::Result<()> {
        self.bits.write_at(self.window_at, &self.window)
    }

    /// The first blocks of `within` that are in the set and lie side by side.
    fn next_run(&self, within: BlockRun) -> io::Result<Option<BlockRun>> {
        let mut found: Option<BlockRun> = None;
        let mut at = within.start;
        let mut bits = Vec::new();
        while at < within.end {
            let end = (at / LOOK_BLOCKS * LOOK_BLOCKS + LOOK_BLOCKS).min(within.end);
            let first = at / 8;
            bits.resize(to_index(end.div_ceil(8) - first), 0);
            self.bits.read_at(first, &mut bits)?;
            let is_marked = |block: u64| {
                let byte = bits.get(to_index(block / 8 - first));
                byte.is_some_and(|byte| byte >> (block % 8) & 1 == 1)
            };
            for block in at..end {
                match &mut found {
                    Some(run) if is_marked(block) => run.end = block + 1,
                    Some(_) => return Ok(found),
                    None if is_marked(block) => found = Some(BlockRun::new(block, 1)),
                    None => {}
                }
            }
            at = end;
        }
        Ok(found)
    }
}

/// The blocks that may be shown, and what those hold that were changed.
#[derive(Debug)]
pub(super) struct Patches {
    block_bits: u32,
    /// Changed blocks, each at its own place.
    contents: Box<dyn Spool>,
    changed: Marks,
    shown: Marks,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "blocks of a filesystem, whose bytes 64 bits count"
)]
impl Patches {
    /// No patches for a disk of `disk_bytes`.
    pub(super) fn new(
        disk_bytes: u64,
        block_bits: u32,
        spool: NewSpool<'_>,
    ) -> Result<Self, Error> {
        let blocks = (disk_bytes >> block_bits) + 1;
        let new = || {
            let contents = spool()?;
            contents.set_size(blocks << block_bits)?;
            Ok(Self {
                block_bits,
                contents,
                changed: Marks::new(blocks, spool)?,
                shown: Marks::new(blocks, spool)?,
            })
        };
        new().map_err(Error::Spool)
    }

    /// Lets `block` be `bytes` from now on, and be shown.
    pub(super) fn store(&mut self, block: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut store = || {
            // The space holds zeros where nothing was written.
            if self.changed.contains(block)? || !is_zero(bytes) {
                self.contents.write_at(block << self.block_bits, bytes)?;
            }
            self.changed.insert(block)?;
            self.shown.insert(block)
        };
        store().map_err(Error::Spool)
    }

    /// Lets `block` be shown as it is.
    pub(super) fn keep(&mut self, block: u64) -> Result<(), Error> {
        self.shown.insert(block).map_err(Error::Spool)
    }

    /// Whether `block` is shown.
    pub(super) fn contains(&mut self, block: u64) -> Result<bool, Error> {
        self.shown.contains(block).map_err(Error::Spool)
    }

    /// Writes what is in memory alone: what was stored can be read then.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.changed.flush().and_then(|()| self.shown.flush());
        flushed.map_err(Error::Spool)
    }

    /// The first blocks of `within` that are shown and lie side by side.
    pub(super) fn next_shown(&self, within: BlockRun) -> Result<Option<BlockRun>, Error> {
        self.shown.next_run(within).map_err(Error::Spool)
    }

    /// Writes the stored blocks over `buf`, which holds the bytes at `offset`.
    pub(super) fn apply(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + len_u64(buf.len());
        let block_end = end.div_ceil(1 << self.block_bits);
        let mut next = offset >> self.block_bits;
        while let Some(run) = self.changed.next_run(BlockRun {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patches(disk_bytes: u64) -> Patches {
        Patches::new(disk_bytes, 10, &|| Ok(Box::new(hostdisk::Spool::new()?))).unwrap()
    }

    #[test]
    fn stored_blocks_are_read_in_their_places() {
        let mut patches = patches(1 << 40);
        // Two neighbours, one in another window, and one of zeros.
        for block in [7, 8, 100_000, 200] {
            assert!(!patches.contains(block).unwrap());
            let byte = u8::try_from(block % 100).unwrap();
            patches.store(block, &[byte; 1024]).unwrap();
            assert!(patches.contains(block).unwrap());
        }
        patches.flush().unwrap();
        let runs = |within| patches.next_shown(within).unwrap();
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
    fn a_block_is_stored_again_and_one_is_kept() {
        let mut patches = patches(1 << 20);
        patches.store(3, &[1; 1024]).unwrap();
        patches.store(3, &[0; 1024]).unwrap();
        patches.keep(4).unwrap();
        patches.flush().unwrap();
        let mut buf = [9; 2048];
        patches.apply(3 * 1024, &mut buf).unwrap();
        assert_eq!(buf[..1024], [0; 1024]);
        assert_eq!(buf[1024..], [9; 1024]);
        let shown = patches.next_shown(BlockRun::new(0, 100)).unwrap();
        assert_eq!(shown, Some(BlockRun::new(3, 2)));
    }
}
