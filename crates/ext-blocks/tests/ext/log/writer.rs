//! Writes the log of a journal.

use blockio::ReadAt;
use ext_blocks::Options;
use ext_blocks::trust::LogState;

use crate::image::{Image, SB, crc32c, open};
use crate::journal::{INODE, journal_superblock, journaled, node};

/// The superblock of the journal, and behind it the log, in blocks of the disk.
pub(crate) const JOURNAL: usize = 30;
pub(crate) const JOURNAL_BLOCKS: u32 = 6;

/// Which checksums the blocks of a log carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Checksums {
    None,
    V1,
    V2,
    V3,
}

pub(crate) use Checksums::{None as Plain, V1, V2, V3};

/// A filesystem whose journal is in blocks 30 to 35, and the writer of its log.
pub(crate) struct Log {
    pub(crate) image: Image,
    checksums: Checksums,
    wide: bool,
    /// The next block of the log, and the transaction.
    pub(crate) next: usize,
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
    pub(crate) fn new(checksums: Checksums, wide: bool) -> Self {
        Self::of(0, checksums, wide)
    }

    /// An empty log that starts at block `JOURNAL + 1` with transaction 7.
    pub(crate) fn of(ro_compat: u32, checksums: Checksums, wide: bool) -> Self {
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

    pub(crate) fn seal_superblock(&mut self) {
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
    pub(crate) fn write(&mut self, copies: &[(u64, Vec<u8>)]) -> &mut Self {
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

    pub(crate) fn revoke(&mut self, block: u64) -> &mut Self {
        let mut bytes = self.header(5);
        let width = if self.wide { 8 } else { 4 };
        bytes.extend(u32::to_be_bytes(16 + width));
        let block = block.to_be_bytes();
        bytes.extend(&block[8 - usize::try_from(width).unwrap()..]);
        self.block(&self.with_tail(bytes))
    }

    pub(crate) fn commit(&mut self) -> &mut Self {
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
    pub(crate) fn stored(&self, block: usize) -> Vec<u8> {
        self.image.bytes[block * 1024..(block + 1) * 1024].to_vec()
    }

    /// The bitmap of group 0 with block `block` in use, or free.
    pub(crate) fn bitmap(&self, block: usize, in_use: bool) -> Vec<u8> {
        let mut copy = self.image.clone();
        copy.bit(3, block - 1, in_use);
        copy.bytes[3 * 1024..4 * 1024].to_vec()
    }

    /// The descriptors with `free` free blocks in group 0.
    pub(crate) fn descriptors(&self, free: u16) -> Vec<u8> {
        let mut copy = self.image.clone();
        copy.free(0, free);
        copy.bytes[2 * 1024..3 * 1024].to_vec()
    }

    /// A transaction in which block 40 comes into use.
    pub(crate) fn allocate(&mut self) -> &mut Self {
        let copies = [(3, self.bitmap(40, true)), (2, self.descriptors(50))];
        self.write(&copies).commit()
    }

    pub(crate) fn state(&self) -> Option<LogState> {
        open(&self.image, &Options::default()).unclean().log
    }

    /// The disk after the replay.
    pub(crate) fn recovered(&self) -> Image {
        let filesystem = open(&self.image, &Options::default());
        let recovered = filesystem.recovered().unwrap();
        let mut after = self.image.clone();
        recovered.read_at(0, &mut after.bytes).unwrap();
        after
    }
}
