//! Journals that are not empty, assembled byte by byte.

pub(crate) mod writer;

use blockio::{ExtentKind, ReadAt};
use ext_blocks::CannotRecover;
use ext_blocks::damage::{Finding, LogDamage};
use ext_blocks::trust::{JournalFault, LogState};
use ext_blocks::{Detected, Distrust, Options, Trust, detect};

use crate::image::{
    Image, METADATA_CSUM, SB, answer, blocks, crc32c, damaged, distrusted, open, used,
};
use crate::journal::seal;
use crate::used::ranges::agrees;
use writer::{Checksums, JOURNAL, Log, Plain, V1, V2, V3};

const BEFORE: [std::ops::Range<u64>; 5] = [0..7, 20..21, 30..36, 65..71, 129..133];
const WITH_40: [std::ops::Range<u64>; 6] = [0..7, 20..21, 30..36, 40..41, 65..71, 129..133];

fn forms() -> impl Iterator<Item = (Checksums, bool)> {
    let checksums = [Plain, V1, V2, V3].into_iter();
    checksums.flat_map(|checksums| [(checksums, false), (checksums, true)])
}

fn transactions(transactions: u32) -> Option<LogState> {
    Some(LogState {
        transactions,
        fast_commits: 0,
    })
}

#[test]
fn an_empty_log_changes_nothing() {
    for (checksums, wide) in forms() {
        let log = Log::new(checksums, wide);
        damaged(&log.image, &[]);
        assert_eq!(used(&log.image), BEFORE);
        assert_eq!(log.state(), transactions(0));
    }
}

#[test]
fn blocks_that_a_transaction_allocates_are_used() {
    for (checksums, wide) in forms() {
        let mut log = Log::new(checksums, wide);
        log.allocate();
        damaged(&log.image, &[]);
        assert_eq!(used(&log.image), WITH_40, "{checksums:?} {wide}");
        assert_eq!(log.state(), transactions(1));
        let after = log.recovered();
        assert_eq!(after.bytes[3 * 1024..4 * 1024], log.bitmap(40, true));
        assert_eq!(after.bytes[20 * 1024..21 * 1024], log.stored(20));
        damaged(&after, &[]);
        assert_eq!(used(&after), WITH_40);
        assert_eq!(after.get_u32(SB + 0x60), 0);
        assert_eq!(after.get_u32(SB + 0x0c), 50 + 58 + 36);
        // Sequence 9, as the kernel: it leaves out one; and no start.
        let superblock = &after.bytes[JOURNAL * 1024..];
        assert_eq!(superblock[0x18..0x20], [0, 0, 0, 9, 0, 0, 0, 0]);
        let Detected::Ext(clean) = detect(&after, &Options::default()).unwrap() else {
            panic!("no filesystem")
        };
        assert!(clean.unclean().is_clean());
    }
}

#[test]
fn blocks_that_a_transaction_frees_stay_used() {
    let mut log = Log::new(V3, true);
    let copies = [(3, log.bitmap(20, false)), (2, log.descriptors(52))];
    log.write(&copies).commit();
    damaged(&log.image, &[]);
    assert_eq!(used(&log.image), BEFORE);
    let after = log.recovered();
    assert_eq!(used(&after), [0..7, 30..36, 65..71, 129..133]);
}

#[test]
fn inodes_are_asked_as_they_are_after_the_replay() {
    for (checksums, wide) in forms() {
        let mut log = Log::new(checksums, wide);
        // Inode 12, in the second block of the table, gets block 50, which no
        // bitmap knows.
        let mut table = log.stored(6);
        let at = 3 * 128;
        table[at + 1] = 0x80;
        table[at + 0x1a] = 1;
        table[at + 0x28] = 50;
        if log.image.get_u32(SB + 0x64) & METADATA_CSUM != 0 {
            let seed = crc32c(crc32c(log.image.seed(), &12u32.to_le_bytes()), &[0; 4]);
            let crc = crc32c(seed, &table[at..at + 128]).to_le_bytes();
            table[at + 0x7c..at + 0x7e].copy_from_slice(&crc[..2]);
        }
        log.write(&[(6, table)]).commit();
        let found = Finding::InUse {
            inode: 12,
            block: 50,
            count: 1,
        };
        damaged(&log.image, &[found]);
        assert_eq!(log.state(), transactions(1));
        let with_50 = [0..7, 20..21, 30..36, 50..51, 65..71, 129..133];
        assert_eq!(used(&log.image), with_50, "{checksums:?} {wide}");
        let after = log.recovered();
        damaged(&after, &[found]);
        assert_eq!(used(&after), with_50);
    }
}

#[test]
fn a_transaction_without_a_commit_is_not_replayed_and_its_blocks_are_kept() {
    for (checksums, wide) in forms() {
        let mut log = Log::new(checksums, wide);
        let copies = [(3, log.bitmap(40, true))];
        log.write(&copies);
        damaged(&log.image, &[]);
        assert_eq!(used(&log.image), WITH_40);
        assert_eq!(log.state(), transactions(0));
        assert_eq!(used(&log.recovered()), BEFORE);
    }
}

#[test]
fn the_last_copy_wins_unless_it_is_revoked() {
    let revoked = |revoke: bool| {
        let mut log = Log::new(Plain, false);
        log.write(&[(20, vec![7; 1024])]).commit();
        if revoke {
            log.revoke(20);
        }
        log.commit();
        assert_eq!(log.state(), transactions(2));
        log.recovered().bytes[20 * 1024]
    };
    assert_eq!(revoked(false), 7);
    assert_eq!(revoked(true), 0);

    // A revocation in the transaction of the copy itself comes before it.
    for (checksums, wide) in forms() {
        let mut log = Log::new(checksums, wide);
        log.revoke(20).write(&[(20, vec![7; 1024])]).commit();
        assert_eq!(log.recovered().bytes[20 * 1024], 0, "{checksums:?}");
    }
}

#[test]
fn the_magic_of_the_journal_is_put_back() {
    for (checksums, wide) in forms() {
        let mut log = Log::new(checksums, wide);
        let mut copy = vec![9; 1024];
        copy[..4].fill(0);
        log.write(&[(20, copy)]).commit();
        let after = log.recovered();
        let block = &after.bytes[20 * 1024..21 * 1024];
        assert_eq!(block[..5], [0xc0, 0x3b, 0x39, 0x98, 9]);
    }
}

#[test]
fn a_log_goes_on_at_its_start() {
    let mut log = Log::new(V2, false);
    let at = JOURNAL * 1024;
    log.image.put(at + 0x1c, &4u32.to_be_bytes());
    log.next = JOURNAL + 4;
    log.seal_superblock();
    log.allocate();
    damaged(&log.image, &[]);
    assert_eq!(
        (used(&log.image), log.state()),
        (WITH_40.to_vec(), transactions(1))
    );
}

#[test]
fn a_log_that_is_not_empty_counts_without_needs_recovery() {
    let mut log = Log::new(V3, false);
    log.allocate();
    log.image.u32(SB + 0x60, 0);
    damaged(&log.image, &[]);
    assert_eq!(used(&log.image), WITH_40);
}

#[test]
fn a_wrong_commit_ends_the_log_and_its_blocks_are_kept() {
    for checksums in [V1, V2, V3] {
        let mut log = Log::new(checksums, true);
        log.allocate();
        let commit = JOURNAL + 4;
        log.image.bytes[commit * 1024 + 17] ^= 1;
        let block = u32::try_from(commit - JOURNAL).unwrap();
        let damage = LogDamage::CommitChecksum { sequence: 7, block };
        damaged(&log.image, &[Finding::LogTail { damage }]);
        assert_eq!(used(&log.image), WITH_40);
        assert_eq!(log.state(), transactions(0));
    }
}

/// Asserts that `harm` makes nothing of the filesystem trusted.
#[track_caller]
fn unusable(checksums: Checksums, harm: impl Fn(&mut Image), damage: LogDamage) {
    let mut log = Log::new(checksums, false);
    let copies = [(3, log.bitmap(40, true))];
    log.revoke(99).write(&copies).commit();
    damaged(
        &log.image,
        &[Finding::FreeCount {
            group: 0,
            stored: 51,
            counted: 50,
        }],
    );
    harm(&mut log.image);
    let fault = JournalFault::Log(damage);
    let distrust = Distrust::NeedsRecovery { fault };
    distrusted(&log.image, &Options::default(), distrust);
    let filesystem = open(&log.image, &Options::default());
    let refused = answer(filesystem.recovered()).err();
    assert_eq!(refused, Some(CannotRecover::Distrusted(distrust)));
}

#[test]
fn damage_in_what_is_replayed_proves_nothing() {
    let flip = |block: usize, at: usize| {
        move |image: &mut Image| image.bytes[(JOURNAL + block) * 1024 + at] ^= 1
    };
    for checksums in [V2, V3] {
        let revocation = LogDamage::Revocation {
            sequence: 7,
            block: 1,
        };
        unusable(checksums, flip(1, 600), revocation);
        let descriptor = LogDamage::DescriptorChecksum {
            sequence: 7,
            block: 2,
        };
        unusable(checksums, flip(2, 600), descriptor);
        let copy = LogDamage::CopyChecksum {
            sequence: 7,
            block: 3,
        };
        unusable(checksums, flip(3, 600), copy);
    }
    let count = |image: &mut Image| _ = image.put((JOURNAL + 1) * 1024 + 12, &[0, 0, 4, 1]);
    unusable(
        Plain,
        count,
        LogDamage::Revocation {
            sequence: 7,
            block: 1,
        },
    );
    let far = |image: &mut Image| _ = image.put((JOURNAL + 2) * 1024 + 12, &[0, 0, 0, 169]);
    unusable(
        Plain,
        far,
        LogDamage::OutOfRange {
            sequence: 7,
            target: 169,
        },
    );
}

#[test]
fn the_superblock_of_the_journal_must_be_sound() {
    let put = |at: usize, value: u32| {
        move |image: &mut Image| _ = image.put(JOURNAL * 1024 + at, &value.to_be_bytes())
    };
    let field = |field, found, min, max| LogDamage::Field {
        field,
        found,
        min,
        max,
    };
    unusable(Plain, put(0, 1), LogDamage::NoSuperblock);
    unusable(Plain, put(4, 2), LogDamage::NoSuperblock);
    unusable(
        Plain,
        put(0x0c, 2048),
        field("s_blocksize", 2048, 1024, 1024),
    );
    unusable(Plain, put(0x10, 7), field("s_maxlen", 7, 2, 6));
    unusable(Plain, put(0x14, 0), field("s_first", 0, 1, 5));
    unusable(Plain, put(0x1c, 6), field("s_start", 6, 1, 5));
    let (incompat, ro_compat) = (0x40, 0);
    unusable(
        Plain,
        put(0x28, 0x41),
        LogDamage::UnknownFeatures {
            incompat,
            ro_compat,
        },
    );
    let (incompat, ro_compat) = (0, 1);
    unusable(
        Plain,
        put(0x2c, 1),
        LogDamage::UnknownFeatures {
            incompat,
            ro_compat,
        },
    );
    unusable(Plain, put(0x28, 0x19), LogDamage::TwoChecksums);
    let kind = |image: &mut Image| _ = image.put(JOURNAL * 1024 + 0x50, &[1]);
    unusable(V3, kind, LogDamage::ChecksumType { found: 1 });
}

#[test]
fn a_journal_elsewhere_is_said_to_be_missing() {
    let mut log = Log::new(Plain, false);
    log.image.u32(SB + 0xe0, 0).u32(SB + 0xe4, 0x801);
    let fault = JournalFault::External;
    let distrust = Distrust::NeedsRecovery { fault };
    distrusted(&log.image, &Options::default(), distrust);
}

#[test]
fn tables_that_the_log_writes_to_are_not_zeros() {
    let mut log = Log::of(METADATA_CSUM, V3, false);
    let at = log.image.descriptor(1);
    // No inode of group 1 was ever used, until the log came.
    log.image.u16(at + 0x1c, 16);
    seal(&mut log.image);
    let zeros = |image: &Image| blocks(image, &Options::default(), ExtentKind::Zero);
    assert_eq!(zeros(&log.image), [69..71]);
    log.write(&[(70, vec![0; 1024])]).commit();
    assert_eq!(zeros(&log.image), [69..70]);
    assert_eq!(
        open(&log.image, &Options::default()).trust(),
        &Trust::Bitmaps
    );
}

/// A device of 16 blocks that holds nothing but a journal, whose log is that of
/// `log`.
fn device(log: &Log) -> Image {
    let mut device = log.image.clone();
    device.bytes = vec![0; 16 * 1024];
    device.put(SB + 0x38, &[0x53, 0xef]).u32(SB + 0x04, 16);
    device.u32(SB + 0x4c, 1).u32(SB + 0x60, 0x8);
    let journal = &log.image.bytes[JOURNAL * 1024..(JOURNAL + 6) * 1024];
    device.put(2 * 1024, journal);
    // Places are blocks of the device.
    let superblock = [16, 3, 7, 3].map(u32::to_be_bytes).concat();
    device.put(2 * 1024 + 0x10, &superblock);
    device
}

#[test]
fn of_a_journal_device_the_live_log_is_used() {
    let mut log = Log::new(Plain, false);
    log.allocate();
    let mut image = device(&log);
    image.put(10 * 1024, b"an older log");
    let options = Options::default();
    assert_eq!(open(&image, &options).trust(), &Trust::Log);
    // The superblocks, and a transaction of 4 blocks.
    assert_eq!(used(&image), [0..7]);

    // A log that turns around: its last two blocks are the first of the area.
    let mut around = image.clone();
    let block = |n: usize| image.bytes[n * 1024..(n + 1) * 1024].to_vec();
    around.put(14 * 1024, &block(3)).put(15 * 1024, &block(4));
    around.put(3 * 1024, &block(5)).put(4 * 1024, &block(6));
    around.put(2 * 1024 + 0x1c, &14u32.to_be_bytes());
    assert_eq!(used(&around), [0..5, 14..16]);
    let places = || (0..=around.size()).step_by(512);
    for (start, end) in places().flat_map(|start| places().map(move |end| (start, end))) {
        if start <= end {
            agrees(&open(&around, &options), around.size(), start..end);
        }
    }

    // Nothing is to be recovered: nothing tells what the rest is for.
    let mut clean = image.clone();
    clean.put(2 * 1024 + 0x1c, &[0; 4]);
    assert_eq!(open(&clean, &options).trust(), &Trust::Log);
    assert_eq!(used(&clean), [0..16]);
}
