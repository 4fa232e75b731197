//! What the superblock says of single inodes and blocks.

use crate::feature::Incompat;
use crate::inode::{BAD_BLOCKS_INODE, I_BLOCK_BYTES, Inode};
use crate::superblock::Superblock;

/// `s_creator_os` of the Hurd.
const HURD: u32 = 1;

/// `s_jnl_backup_type` of a copy of the journal's `i_block`.
const JNL_BACKUP_BLOCKS: u8 = 1;

/// Inodes and blocks that the filesystem keeps for itself.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// Inodes below are reserved.
    pub first_inode: u32,
    /// `s_journal_inum`, or 0.
    pub journal: u32,
    /// Quota files and the orphan file; 0 where there is none.
    others: [u32; 4],
    /// `s_last_orphan`, or 0.
    first_orphan: u32,
    /// What `i_block` of the journal should be.
    pub journal_map: Option<[u8; I_BLOCK_BYTES]>,
    /// Inodes may have a block of a translator.
    pub translators: bool,
    /// `s_mmp_block`, with multiple mount protection.
    pub mmp_block: Option<u64>,
}

impl Reserved {
    /// Those of the filesystem with this superblock.
    #[must_use]
    pub fn new(sb: &Superblock) -> Self {
        let mmp = sb.incompat.contains(Incompat::MMP);
        let journal_map = sb.s_jnl_backup_type == JNL_BACKUP_BLOCKS;
        Self {
            first_inode: sb.s_first_ino,
            journal: sb.s_journal_inum,
            others: [
                sb.s_usr_quota_inum,
                sb.s_grp_quota_inum,
                sb.s_prj_quota_inum,
                sb.s_orphan_file_inum,
            ],
            first_orphan: sb.s_last_orphan,
            journal_map: journal_map.then_some(sb.s_jnl_blocks),
            translators: sb.s_creator_os == HURD,
            mmp_block: mmp.then_some(sb.s_mmp_block),
        }
    }

    /// The inodes that the superblock names; 0 is none.
    pub fn named_inodes(&self) -> impl Iterator<Item = u32> {
        let named = [self.journal, self.first_orphan];
        named.into_iter().chain(self.others)
    }

    /// Whether inode `number` is a quota file.
    #[must_use]
    pub fn is_quota(&self, number: u32) -> bool {
        let [user, group, project, _] = self.others;
        [user, group, project].contains(&number)
    }

    /// Whether inode `number` is the orphan file.
    #[must_use]
    pub fn is_orphan_file(&self, number: u32) -> bool {
        let [.., orphan_file] = self.others;
        orphan_file == number
    }

    /// Whether `inode` is none of its users'. Whatever the flags say of a
    /// feature, its inodes count: e2fsck looks at them before it judges.
    #[must_use]
    pub fn is_own(&self, inode: &Inode) -> bool {
        inode.number < self.first_inode
            || inode.number == self.journal
            || self.others.contains(&inode.number)
    }

    /// Whether all that `inode` holds is metadata.
    #[must_use]
    pub fn holds_metadata(&self, inode: &Inode) -> bool {
        // Nothing can be read from bad blocks.
        inode.number != BAD_BLOCKS_INODE && (self.is_own(inode) || inode.holds_metadata())
    }
}
