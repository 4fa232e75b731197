//! A filesystem whose names tell nothing: for metadata that is shown to others.
//!
//! [`scramble`] makes a view of a filesystem in which names of files and of
//! attributes, targets of links, the label and the last mount point are
//! replaced by others of the same length, in a way that only a key can undo,
//! and in which no rest of an old one is left in any block of metadata. All
//! else stays: checksums that were right are right, those that were wrong are
//! wrong in the same bits, and e2fsck finds what it found before.
//!
//! ```text
//! inodes ─┬─ directories ─ entries, index ──┐
//!         ├─ targets of links ──────────────┤ names: one-to-one for each length
//!         └─ attributes ────────────────────┤
//! superblocks ──────────────────────────────┘──▶ patches over the disk
//! ```

mod attributes;
mod base;
mod directory;
mod entries;
mod hash;
mod index;
mod inode;
mod key;
mod link;
mod map;
mod names;
mod pass;
mod patches;
mod report;

use std::io;

use blockio::ReadAt;

use crate::checksum;
use crate::error::{Error, Structure, read};
use crate::feature::{Compat, Incompat};
use crate::geometry::to_index;
use crate::group::Layout;
use crate::runs::BlockRun;
use crate::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Superblock, array_at, u32_at};
use directory::Style;
use hash::Hasher;
use names::Names;
use pass::{Facts, Halt, Pass};
use patches::Patches;

pub use directory::Unindexed;
pub use key::{KEY_BYTES, ScrambleKey};
pub use report::ScrambleReport;

/// Bit of `s_flags`: bytes of names are unsigned in hashes.
const UNSIGNED_HASH: u32 = 0x2;

/// Lustre's feature for data behind names, which Linux does not know.
const DIRDATA: u32 = 0x1000;

/// Reserved inodes in revision 0, and the first that is none.
const REV0_FIRST_INODE: u32 = 11;

/// A filesystem with scrambled names, over the disk it was found on.
///
/// Metadata with names in it reads scrambled; file data, and blocks that no
/// inode in use claims, read as they are on the disk. So only metadata may be
/// shown, and of the kinds that hold names only what
/// [`next_scrambled`](Self::next_scrambled) finds.
#[derive(Debug)]
pub(crate) struct Scrambled<'d, R: ?Sized> {
    disk: &'d R,
    patches: Patches,
}

/// Scrambles the filesystem `layout` on `disk`, which was cleanly unmounted or
/// is seen with its journal replayed; nothing is written to it.
pub(crate) fn scramble<'d, R: ReadAt + ?Sized>(
    disk: &'d R,
    layout: &Layout,
    key: &ScrambleKey,
) -> Result<(Scrambled<'d, R>, ScrambleReport), Halt> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    read(disk, Structure::Superblock, SUPERBLOCK_OFFSET, &mut bytes)?;
    // It was one when the layout was made of it.
    let Some(sb) = Superblock::decode(&bytes) else {
        return Err(Halt::Changed);
    };
    let has_journal = sb.compat.contains(Compat::HAS_JOURNAL) && sb.s_journal_inum != 0;
    let has_mmp = sb.incompat.contains(Incompat::MMP);
    let facts = Facts {
        is_64bit: sb.incompat.contains(Incompat::IS_64BIT),
        has_casefold: sb.incompat.contains(Incompat::CASEFOLD),
        first_inode: match sb.s_rev_level {
            0 => REV0_FIRST_INODE,
            _ => u32_at(&bytes, 0x54),
        },
        journal_inode: has_journal.then_some(sb.s_journal_inum),
        mmp_block: has_mmp.then_some(sb.s_mmp_block),
        seed: checksum::seed(&sb),
    };
    let unsigned = u32_at(&bytes, 0x160) & UNSIGNED_HASH != 0;
    let style = Style {
        block_bytes: to_index(layout.geometry.block_bytes()),
        checksums: layout.checksums,
        hasher: Hasher::new(&array_at(&bytes, 0xec), unsigned),
        has_data: sb.incompat.bits() & DIRDATA != 0,
        has_large_directories: sb.incompat.contains(Incompat::LARGEDIR),
    };
    let names = Names::new(key);
    let (patches, report) = Pass::new(disk, layout, facts, style, &names)?.run()?;
    Ok((Scrambled { disk, patches }, report))
}

impl<R: ReadAt + ?Sized> Scrambled<'_, R> {
    /// The first blocks of `within` that were scrambled, or found to hold no
    /// name: a run as long as it can be.
    pub(crate) fn next_scrambled(&self, within: BlockRun) -> Result<Option<BlockRun>, Error> {
        self.patches.next_run(within).map_err(Error::Spool)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Scrambled<'_, R> {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        self.patches.apply(offset, buf)
    }
    // Blocks of zeros stay what they are.
    fn next_data(&self, from: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        self.disk.next_data(from)
    }
}

#[cfg(test)]
mod tests;
