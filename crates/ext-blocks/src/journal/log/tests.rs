use ext_format::runs::BlockRun;

use crate::journal::superblock::JOURNAL_SUPERBLOCK_BYTES;

use super::*;

const BLOCK_BYTES: usize = 1024;

/// Blocks of a log of which each revokes 252 blocks of the filesystem.
const BLOCKS: usize = 4300;

#[test]
fn a_log_of_revocations_alone_ends_with_what_is_kept_in_memory() {
    let mut disk = vec![0; BLOCKS * BLOCK_BYTES];
    for block in disk.chunks_exact_mut(BLOCK_BYTES) {
        let header = [0xc03b_3998, 5, 7, 1024u32];
        block[..16].copy_from_slice(&header.map(u32::to_be_bytes).concat());
    }
    let mut superblock = [0; JOURNAL_SUPERBLOCK_BYTES];
    let fields = [0xc03b_3998, 4, 0, 1024, 4300u32, 1, 7, 1, 0, 0, 1];
    superblock[..44].copy_from_slice(&fields.map(u32::to_be_bytes).concat());
    let blocks = JournalBlocks::new(vec![BlockRun::new(0, 4300)], 10);
    let journal = JournalSuperblock::decode(&superblock, 1024, 4300).unwrap();
    let log = scan(&disk, &blocks, &journal, None).unwrap();
    let limit = u64::try_from(REVOKED_MAX).unwrap();
    let what = "revoked blocks";
    assert_eq!(log.damage, Some(LogDamage::TooLarge { what, limit }));

    // Fewer of them are an unfinished transaction, which does not count.
    disk.truncate(1000 * BLOCK_BYTES);
    disk.resize(BLOCKS * BLOCK_BYTES, 0);
    let log = scan(&disk, &blocks, &journal, None).unwrap();
    assert_eq!((log.damage, log.transactions), (None, 0));
}
