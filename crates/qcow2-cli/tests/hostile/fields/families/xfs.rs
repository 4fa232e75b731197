//! The fields of an XFS.

use std::iter;

use super::super::subject::{Seal, Subject};
use super::xfs_log;

const SECTOR: usize = 512;

const SUPERBLOCK: &str = "
    00/4 magicnum 04/4 blocksize 08/8 dblocks 10/8 rblocks 18/8 rextents 20/4 uuid 30/8 logstart
    38/8 rootino 40/8 rbmino 48/8 rsumino 50/4 rextsize 54/4 agblocks 58/4 agcount
    5c/4 rbmblocks 60/4 logblocks 64/2 versionnum 66/2 sectsize 68/2 inodesize 6a/2 inopblock
    6c/4 fname 78/1 blocklog 79/1 sectlog 7a/1 inodelog 7b/1 inopblog 7c/1 agblklog
    7d/1 rextslog 7e/1 inprogress 7f/1 imax_pct 80/8 icount 88/8 ifree 90/8 fdblocks
    98/8 frextents a0/8 uquotino a8/8 gquotino b0/2 qflags b2/1 flags b3/1 shared_vn
    b4/4 inoalignmt b8/4 unit bc/4 width c0/1 dirblklog c1/1 logsectlog c2/2 logsectsize
    c4/4 logsunit c8/4 features2 cc/4 bad_features2 d0/4 features_compat d4/4 features_ro_compat
    d8/4 features_incompat dc/4 features_log_incompat e0/4 crc e4/4 spino_align e8/8 pquotino
    f0/8 lsn f8/4 meta_uuid 108/8 metadirino 110/4 rgcount 114/4 rgextents 118/1 rgblklog
    120/8 rtstart 128/8 rtreserved";

const AGF: &str = "
    00/4 magicnum 04/4 versionnum 08/4 seqno 0c/4 length 10/4 bno_root 14/4 cnt_root 18/4 rmap_root
    1c/4 bno_level 20/4 cnt_level 24/4 rmap_level 28/4 flfirst 2c/4 fllast 30/4 flcount
    34/4 freeblks 38/4 longest 3c/4 btreeblks 40/4 uuid 50/4 rmap_blocks 54/4 refcount_blocks
    58/4 refcount_root 5c/4 refcount_level d0/8 lsn d8/4 crc";

const AGI: &str = "
    00/4 magicnum 04/4 versionnum 08/4 seqno 0c/4 length 10/4 count 14/4 root 18/4 level
    1c/4 freecount 20/4 newino 24/4 dirino 28/4 unlinked[0] 2c/4 unlinked[1] 124/4 unlinked[63]
    128/4 uuid 138/4 crc 140/8 lsn 148/4 free_root 14c/4 free_level 150/4 iblocks 154/4 fblocks";

const AGFL: &str = "
    00/4 magicnum 04/4 seqno 08/4 uuid 18/8 lsn 20/4 crc 24/4 bno[0] 28/4 bno[1] 2c/4 bno[2]
    30/4 bno[3] 34/4 bno[4] 38/4 bno[5] 3c/4 bno[6] 40/4 bno[7]";

const BTREE: &str = "
    00/4 magic 04/2 level 06/2 numrecs 08/4 leftsib 0c/4 rightsib 10/8 blkno 18/8 lsn 20/4 uuid
    30/4 owner 34/4 crc";

/// Records of a tree that are taken, in numbers of four bytes.
const RECORDS: usize = 18 * 4;
const BTREE_HEAD: usize = 0x38;

/// The trees of a group: name, header, offset of the root in it.
const TREES: [(&str, usize, usize); 6] = [
    ("bnobt", 1, 0x10),
    ("cntbt", 1, 0x14),
    ("rmapbt", 1, 0x18),
    ("refcountbt", 1, 0x58),
    ("inobt", 2, 0x14),
    ("finobt", 2, 0x148),
];

/// Headers of a group, by sector: the checksum of each is in it.
const HEADERS: [(&str, &str, usize); 4] = [
    ("superblock", SUPERBLOCK, 0xe0),
    ("agf", AGF, 0xd8),
    ("agi", AGI, 0x138),
    ("agfl", AGFL, 0x20),
];

pub(super) fn find(subject: &mut Subject) {
    let (block, group_blocks) = (subject.big(4, 4), subject.big(0x54, 4));
    for group in 0..2 {
        let start = group * group_blocks * block;
        for (sector, (name, table, crc)) in HEADERS.into_iter().enumerate() {
            let at = start + sector * SECTOR;
            let seal = sealed(at, SECTOR, crc);
            subject.add(
                &format!("{name} {group}"),
                table,
                at..at + SECTOR,
                true,
                &[seal],
            );
        }
        for (name, sector, root) in TREES {
            let root = subject.big(start + sector * SECTOR + root, 4);
            if root == 0 {
                continue;
            }
            let at = start + root * block;
            let what = format!("{name} {group}");
            tree_block(subject, &what, at, block);
            // The first block below, where there is one.
            let level = subject.big(at + 4, 2);
            let below = at + BTREE_HEAD + (block - BTREE_HEAD) / 12 * 8;
            if level > 0 && ["bnobt", "cntbt"].contains(&name) {
                let child = start + subject.big(below, 4) * block;
                subject.add_numbers(&what, below..below + 8, 4, true, &[sealed(at, block, 0x34)]);
                tree_block(subject, &format!("{what} below"), child, block);
            }
        }
    }
    xfs_log::find(subject, block);
}

fn tree_block(subject: &mut Subject, what: &str, at: usize, block: usize) {
    let seal = [sealed(at, block, 0x34)];
    subject.add(what, BTREE, at..at + block, true, &seal);
    let records = at + BTREE_HEAD..at + BTREE_HEAD + RECORDS;
    subject.add_numbers(&format!("{what} record"), records, 4, true, &seal);
}

fn sealed(at: usize, bytes: usize, crc: usize) -> Seal {
    Seal::Crc32c {
        covered: iter::once(at..at + bytes).collect(),
        field: at + crc,
    }
}
