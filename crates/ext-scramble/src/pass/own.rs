//! The files that a filesystem keeps for itself.

use blockio::ReadAt;
use ext_format::block_map::Mapper;
use ext_format::error::{Error, Structure};
use ext_format::inode::{BAD_BLOCKS_INODE, Inode};
use ext_format::superblock::{SUPERBLOCK_BYTES, u32_at};

use crate::pass::Pass;

/// The inode whose blocks are the room for group descriptors.
const RESIZE_INODE: u32 = 7;

/// `h_magic` of a journal's superblock.
const JOURNAL_MAGIC: [u8; 4] = 0xc03b_3998_u32.to_be_bytes();

/// `dqh_magic` of files with quotas of users, groups and projects.
const QUOTA_MAGICS: [u32; 3] = [0xd9c0_1f11, 0xd9c0_1927, 0xd9c0_3f14];

/// `ob_magic`, in the last eight bytes of a block of the orphan file.
const ORPHAN_MAGIC: u32 = 0x0b10_ca04;

/// What is in a file of the filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    Journal,
    Quota,
    Orphans,
    /// Bytes that no program reads.
    Other,
}

impl<R: ReadAt + ?Sized> Pass<'_, R> {
    /// Cleans the map of a file, and what it holds where that is shown: the
    /// files of the filesystem.
    pub(super) fn file(&mut self, mapper: &mut Mapper<'_, R>, inode: &Inode) -> Result<(), Error> {
        let reserved = &self.volume.reserved;
        let own = match inode.number {
            // Nothing of these is shown but what is elsewhere, too.
            BAD_BLOCKS_INODE | RESIZE_INODE => return self.map(mapper, inode),
            number if number == reserved.journal => Own::Journal,
            number if reserved.is_quota(number) => Own::Quota,
            number if reserved.is_orphan_file(number) => Own::Orphans,
            number if number < reserved.first_inode => Own::Other,
            _ => return self.map(mapper, inode),
        };
        self.own(mapper, inode, own)?;
        // e2fsck takes the copy where the inode is damaged.
        let copy = self.volume.reserved.journal_map;
        if let Some(i_block) =
            copy.filter(|i_block| own == Own::Journal && *i_block != inode.i_block)
        {
            let copy = Inode::with_map(inode.number, i_block, &self.volume.layout.geometry);
            self.own(mapper, &copy, own)?;
        }
        Ok(())
    }

    /// Keeps of a file what is known to hold no names, and zeros the rest.
    fn own(&mut self, mapper: &mut Mapper<'_, R>, inode: &Inode, own: Own) -> Result<(), Error> {
        let mut is_quota = false;
        self.walk(mapper, inode, |pass, logical, block| {
            let mut bytes = pass.zeroes();
            let is_read = match own {
                Own::Journal => logical == 0,
                Own::Quota | Own::Orphans => true,
                Own::Other => false,
            };
            if is_read {
                pass.read(Structure::Contents, block, &mut bytes)?;
            }
            let kept = match own {
                Own::Journal if bytes.starts_with(&JOURNAL_MAGIC) => SUPERBLOCK_BYTES,
                Own::Quota => {
                    is_quota |= logical == 0 && QUOTA_MAGICS.contains(&u32_at(&bytes, 0));
                    if is_quota { bytes.len() } else { 0 }
                }
                Own::Orphans if is_orphan_block(&bytes) => bytes.len(),
                _ => 0,
            };
            if let Some(rest) = bytes.get_mut(kept..) {
                rest.fill(0);
            }
            pass.patches.store(block, &bytes)
        })?;
        Ok(())
    }
}

fn is_orphan_block(bytes: &[u8]) -> bool {
    let magic = bytes.len().checked_sub(8);
    magic.is_some_and(|at| u32_at(bytes, at) == ORPHAN_MAGIC)
}
