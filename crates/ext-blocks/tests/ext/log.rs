//! Journals that are not empty, assembled byte by byte.

use blockio::{ExtentKind, ReadAt};
use ext_blocks::damage::{Finding, LogDamage};
use ext_blocks::trust::{JournalFault, LogState};
use ext_blocks::{CannotRecover, Detected, Distrust, Options, Trust, detect};

use crate::image::{Image, METADATA_CSUM, SB, blocks, crc32c, damaged, distrusted, open, used};
use crate::journal::{INODE, journal_superblock, journaled, node, seal};

/// The superblock of the journal, and behind it the log, in blocks of the disk.
const JOURNAL: usize = 30;
const JOURNAL_BLOCKS: u32 = 6;

/// Which checksums the blocks of a log carry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Checksums {
    None,
    V1,
    V2,
    V3,
}

use Checksums::{None as Plain, V1, V2, V3};

/// A filesystem whose journal is in blocks 30 to 35, and the writer of its log.
struct Log {
    image: Image,
    checksums: Checksums,
    wide: bool,
    /// The next block of the log, and the transaction.
    next: usize,
    sequence: u32,
    /// The checksum of the transaction in version 1.
    v1: u32,
}

/// CRC-32 with the bits of a byte from the highest on, bit by bit.
fn crc32_be(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

impl Log {
    fn new(checksums: Checksums, wide: bool) -> Self {
        Self::of(0, checksums, wide)
    }

    /// An empty log that starts at block `JOURNAL + 1` with transaction 7.
    fn of(ro_compat: u32, checksums: Checksums, wide: bool) -> Self {
        let mut image = journaled(ro_compat, 0x8_0000);
        node(&mut image, INODE + 0x28, 4, 0, [0, JOURNAL_BLOCKS, 30]);
        journal_superblock(&mut image, JOURNAL, JOURNAL_BLOCKS);
        let incompat = match checksums {
            Plain | V1 => 0,
            V2 => 8,
            V3 => 0x10,
        };
        let at = JOURNAL * 1024;
        image.put(at + 0x18, &7u32.to_be_bytes());
        image.put(at + 0x1c, &1u32.to_be_bytes());
        image.put(at + 0x24, &u32::from(checksums == V1).to_be_bytes());
        let wide_bit = if wide { 2 } else { 0 };
        image.put(at + 0x28, &u32::to_be_bytes(1 | wide_bit | incompat));
        image.put(at + 0x30, b"fedcba9876543210");
        image.put(at + 0x50, &[4]);
        image.u32(SB + 0x60, 0x4);
        let mut log = Self {
            image,
            checksums,
            wide,
            next: JOURNAL + 1,
            sequence: 7,
            v1: u32::MAX,
        };
        log.seal_superblock();
        log
    }

    fn seed(&self) -> u32 {
        crc32c(u32::MAX, b"fedcba9876543210")
    }

    fn has_tails(&self) -> bool {
        matches!(self.checksums, V2 | V3)
    }

    fn seal_superblock(&mut self) {
        if self.has_tails() {
            let at = JOURNAL * 1024;
            self.image.put(at + 0xfc, &[0; 4]);
            let crc = crc32c(u32::MAX, &self.image.bytes[at..at + 1024]);
            self.image.put(at + 0xfc, &crc.to_be_bytes());
        }
    }

    /// Puts `bytes` into the next block of the log.
    fn block(&mut self, bytes: &[u8]) -> &mut Self {
        assert!(bytes.len() <= 1024);
        let at = self.next * 1024;
        self.image.put(at, &[0; 1024]).put(at, bytes);
        self.v1 = crc32_be(self.v1, &self.image.bytes[at..at + 1024]);
        self.next += 1;
        if self.next == JOURNAL + 6 {
            self.next = JOURNAL + 1;
        }
        self
    }

    fn header(&self, kind: u32) -> Vec<u8> {
        [0xc03b_3998, kind, self.sequence]
            .map(u32::to_be_bytes)
            .concat()
    }

    /// Ends `bytes`, a descriptor or a revocation, with its checksum.
    fn with_tail(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.has_tails() {
            bytes.resize(1024, 0);
            let crc = crc32c(self.seed(), &bytes);
            bytes[1020..].copy_from_slice(&crc.to_be_bytes());
        }
        bytes
    }

    /// A descriptor of `copies`, and the copies.
    fn write(&mut self, copies: &[(u64, Vec<u8>)]) -> &mut Self {
        let mut bytes = self.header(1);
        for (index, (block, copy)) in copies.iter().enumerate() {
            let escaped = copy.starts_with(&[0; 4]) && *block == 20;
            let last = index + 1 == copies.len();
            let flags =
                u32::from(escaped) + if index > 0 { 2 } else { 0 } + if last { 8 } else { 0 };
            let sum = crc32c(crc32c(self.seed(), &self.sequence.to_be_bytes()), copy);
            let block = u32::try_from(*block).unwrap();
            if self.checksums == V3 {
                bytes.extend([block, flags, 0, sum].map(u32::to_be_bytes).concat());
            } else {
                let sum = if self.checksums == V2 {
                    sum & 0xffff
                } else {
                    0
                };
                bytes.extend([block, sum << 16 | flags].map(u32::to_be_bytes).concat());
                bytes.extend(vec![0; if self.wide { 4 } else { 0 }]);
                bytes.extend(vec![0; if self.checksums == V2 { 2 } else { 0 }]);
            }
            if index == 0 {
                bytes.extend(b"fedcba9876543210");
            }
        }
        self.block(&self.with_tail(bytes));
        for (_, copy) in copies {
            self.block(copy);
        }
        self
    }

    fn revoke(&mut self, block: u64) -> &mut Self {
        let mut bytes = self.header(5);
        let width = if self.wide { 8 } else { 4 };
        bytes.extend(u32::to_be_bytes(16 + width));
        let block = block.to_be_bytes();
        bytes.extend(&block[8 - usize::try_from(width).unwrap()..]);
        self.block(&self.with_tail(bytes))
    }

    fn commit(&mut self) -> &mut Self {
        let mut bytes = self.header(2);
        bytes.resize(1024, 0);
        bytes[0x30..0x38].copy_from_slice(&1_700_000_000u64.to_be_bytes());
        match self.checksums {
            Plain => {}
            V1 => {
                bytes[12..14].copy_from_slice(&[1, 4]);
                bytes[16..20].copy_from_slice(&self.v1.to_be_bytes());
            }
            V2 | V3 => {
                let crc = crc32c(self.seed(), &bytes);
                bytes[16..20].copy_from_slice(&crc.to_be_bytes());
            }
        }
        self.block(&bytes);
        self.sequence += 1;
        self.v1 = u32::MAX;
        self
    }

    /// Block `block` of the disk, as it is stored.
    fn stored(&self, block: usize) -> Vec<u8> {
        self.image.bytes[block * 1024..(block + 1) * 1024].to_vec()
    }

    /// The bitmap of group 0 with block `block` in use, or free.
    fn bitmap(&self, block: usize, in_use: bool) -> Vec<u8> {
        let mut copy = self.image.clone();
        copy.bit(3, block - 1, in_use);
        copy.bytes[3 * 1024..4 * 1024].to_vec()
    }

    /// The descriptors with `free` free blocks in group 0.
    fn descriptors(&self, free: u16) -> Vec<u8> {
        let mut copy = self.image.clone();
        copy.free(0, free);
        copy.bytes[2 * 1024..3 * 1024].to_vec()
    }

    /// A transaction in which block 40 comes into use.
    fn allocate(&mut self) -> &mut Self {
        let copies = [(3, self.bitmap(40, true)), (2, self.descriptors(50))];
        self.write(&copies).commit()
    }

    fn state(&self) -> Option<LogState> {
        open(&self.image, &Options::default()).unclean().log
    }

    /// The disk after the replay.
    fn recovered(&self) -> Image {
        let filesystem = open(&self.image, &Options::default());
        let recovered = filesystem.recovered().unwrap().unwrap();
        let mut after = self.image.clone();
        recovered.read_at(0, &mut after.bytes).unwrap();
        after
    }
}

const BEFORE: [std::ops::Range<u64>; 5] = [0..7, 20..21, 30..36, 65..71, 129..133];
const WITH_40: [std::ops::Range<u64>; 6] = [0..7, 20..21, 30..36, 40..41, 65..71, 129..133];

fn forms() -> impl Iterator<Item = (Checksums, bool)> {
    let checksums = [Plain, V1, V2, V3].into_iter();
    checksums.flat_map(|checksums| [(checksums, false), (checksums, true)])
}

fn transactions(transactions: u32) -> Option<LogState> {
    let mut state = LogState::default();
    state.transactions = transactions;
    Some(state)
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
    let refused = filesystem.recovered().unwrap().err();
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
