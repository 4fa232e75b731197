//! A filesystem of three groups in blocks of 512 bytes, put together at literal offsets.
//!
//! ```text
//! group 0  0 headers   4 bnobt  5 cntbt  6 inobt  7 rmapbt  8 AGFL  12 inodes  76 bmbt
//!          77 free     80 file  88 finobt  89 refcountbt  90 free  100 file
//!          113 free, to 200
//! group 1  0 headers   4 bnobt of two levels, 7 cntbt of two levels, 10 inobt, 11 AGFL
//!          15 rmapbt   16 finobt  17 refcountbt  20 log, to 84     84 free, with a file's block at 90, 100, 110
//! group 2  0 headers   4 bnobt  5 cntbt  6 inobt  7 rmapbt  8 finobt  9 refcountbt
//!          10 free, to 120
//! ```

mod inodes;
mod owners;

use blockio::{Extent, ExtentKind, Tiling};
use fixtures::crc::crc32c;
use xfs_blocks::{Filesystem, Options, detect};

pub(crate) const BLOCK: usize = 512;
pub(crate) const AG_BLOCKS: usize = 200;
pub(crate) const BLOCKS: usize = 520;
const LENGTHS: [usize; 3] = [200, 200, 120];
pub(super) const UUID: [u8; 16] = *b"0123456789abcdef";

/// What is free, by group: first block and blocks.
pub(crate) const FREE: [(usize, usize, usize); 8] = [
    (0, 77, 3),
    (0, 90, 10),
    (0, 113, 87),
    (1, 84, 6),
    (1, 91, 9),
    (1, 101, 9),
    (1, 111, 89),
    (2, 10, 110),
];

/// The finobt of each group, before its refcountbt; in version 5.
pub(crate) const MORE: [usize; 3] = [88, 16, 8];

/// Inodes 12 to 75 of group 0 in use, besides those that the tests make.
pub(crate) const LISTED: usize = 13;
pub(crate) const TREED: usize = 14;

/// A disk with a filesystem, and what of it has a checksum: where, how long, and where in
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) has_crc: bool,
    pub(crate) has_rmap: bool,
    sums: Vec<(usize, usize, usize)>,
}

/// The byte where a block of a group begins.
pub(crate) const fn at(ag: usize, block: usize) -> usize {
    (ag * AG_BLOCKS + block) * BLOCK
}

impl Image {
    /// Version 5, without a rmapbt.
    pub(crate) fn new() -> Self {
        Self::made(true, false)
    }

    /// Version 5, with a rmapbt.
    pub(crate) fn with_rmap() -> Self {
        Self::made(true, true)
    }

    /// Version 4.
    pub(crate) fn version4() -> Self {
        Self::made(false, false)
    }

    fn made(has_crc: bool, has_rmap: bool) -> Self {
        let mut image = Self {
            bytes: vec![0x5a; BLOCKS * BLOCK],
            has_crc,
            has_rmap,
            sums: Vec::new(),
        };
        // The log was never used.
        image.bytes[at(1, 20)..at(1, 84)].fill(0);
        for ag in 0..3 {
            image.bytes[at(ag, 0)..at(ag, 4)].fill(0);
            image.superblock(ag);
            image.headers(ag);
        }
        image.trees();
        image.inodes();
        image.stamp();
        image
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn put16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_be_bytes());
    }

    pub(crate) fn put32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_be_bytes());
    }

    pub(crate) fn put64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_be_bytes());
    }

    /// Makes all checksums right.
    pub(crate) fn stamp(&mut self) {
        for (start, length, at) in self.sums.clone() {
            self.put(start + at, &[0; 4]);
            let sum = !crc32c(!0, &self.bytes[start..start + length]);
            self.put(start + at, &sum.to_le_bytes());
        }
    }

    pub(super) fn summed(&mut self, start: usize, length: usize, at: usize) {
        if self.has_crc {
            self.sums.push((start, length, at));
        }
    }

    /// Bytes of an inode: one a block in version 5, two in version 4.
    pub(crate) const fn inode_bytes(&self) -> usize {
        if self.has_crc { 512 } else { 256 }
    }

    fn superblock(&mut self, ag: usize) {
        let base = at(ag, 0);
        let version = if self.has_crc { 0xb4a5 } else { 0xb4a4 };
        let inode_log = if self.has_crc { 9 } else { 8 };
        self.put(base, b"XFSB");
        self.put32(base + 4, 512);
        self.put64(base + 8, BLOCKS as u64);
        self.put(base + 32, &UUID);
        // Groups have 8 bits for a block.
        self.put64(base + 48, 1 << 8 | 20);
        self.put64(base + 56, 12);
        self.put32(base + 84, AG_BLOCKS as u32);
        self.put32(base + 88, 3);
        self.put32(base + 96, 64);
        self.put16(base + 100, version);
        self.put16(base + 102, 512);
        self.put16(base + 104, 1 << inode_log);
        self.put16(base + 106, 1 << (9 - inode_log));
        self.put(base + 108, b"a label");
        self.put(base + 120, &[9, 9, inode_log, 9 - inode_log, 8]);
        // Free are those in FREE, the AGFLs of two groups and four blocks below roots.
        let free: usize = FREE.iter().map(|run| run.2).sum();
        self.put64(base + 144, (free + 8 + 4) as u64);
        self.put32(base + 200, if self.has_crc { 0x18a } else { 0x8a });
        if self.has_crc {
            self.put32(base + 212, if self.has_rmap { 7 } else { 5 });
            self.put32(base + 216, 3);
        }
        self.summed(base, 512, 224);
    }

    fn headers(&mut self, ag: usize) {
        let (agf, agi, list) = (at(ag, 1), at(ag, 2), at(ag, 3));
        let length = LENGTHS[ag];
        let levels = if ag == 1 { 2 } else { 1 };
        let by_size = if ag == 1 { 7 } else { 5 };
        let runs: Vec<_> = FREE.iter().filter(|run| run.0 == ag).collect();
        let blocks: usize = runs.iter().map(|run| run.2).sum();
        let longest = runs.iter().map(|run| run.2).max().unwrap();
        let (first, last, count) = match ag {
            // From the last slot on round the end.
            0 => (self.slots() as u32 - 1, 2, 4),
            1 => (3, 6, 4),
            _ => (1, 0, 0),
        };
        self.put(agf, b"XAGF");
        let rmap = if ag == 1 { 15 } else { 7 };
        let words = [1, ag, length, 4, by_size, rmap, levels, levels, 1];
        for (index, word) in words.into_iter().enumerate() {
            self.put32(agf + 4 + index * 4, word as u32);
        }
        let below = if ag == 1 { 4 } else { 0 };
        let words = [first, last, count, blocks as u32, longest as u32, below];
        for (index, word) in words.into_iter().enumerate() {
            self.put32(agf + 40 + index * 4, word);
        }
        self.put(agi, b"XAGI");
        let inobt = if ag == 1 { 10 } else { 6 };
        let inodes = if ag == 0 { 64 } else { 0 };
        for (index, word) in [1, ag, length, inodes, inobt, 1].into_iter().enumerate() {
            self.put32(agi + 4 + index * 4, word as u32);
        }
        let start = if self.has_crc { 36 } else { 0 };
        self.bytes[list..list + 512].fill(0xff);
        for index in 0..count {
            let slot = (first + index) as usize % self.slots();
            let block = if ag == 1 { 11 } else { 8 } + index;
            self.put32(list + start + slot * 4, block);
        }
        if self.has_crc {
            self.put32(agf + 88, MORE[ag] as u32 + 1);
            self.put32(agf + 92, 1);
            self.put32(agi + 328, MORE[ag] as u32);
            self.put32(agi + 332, 1);
            self.put(agf + 64, &UUID);
            self.put(agi + 296, &UUID);
            self.put(list, b"XAFL");
            self.put32(list + 4, ag as u32);
            self.put(list + 8, &UUID);
        }
        self.summed(agf, 512, 216);
        self.summed(agi, 512, 312);
        self.summed(list, 512, 32);
    }

    /// Slots of an AGFL.
    pub(crate) const fn slots(&self) -> usize {
        if self.has_crc { 119 } else { 128 }
    }

    /// Bytes before the first record of a block of a btree of a group.
    pub(crate) const fn head(&self) -> usize {
        if self.has_crc { 56 } else { 16 }
    }

    /// Begins a block of a btree of a group.
    pub(super) fn tree(
        &mut self,
        ag: usize,
        block: usize,
        magic: &[u8; 4],
        level: u16,
        count: usize,
    ) {
        let base = at(ag, block);
        self.bytes[base..base + BLOCK].fill(0);
        self.put(base, magic);
        if !self.has_crc {
            self.put(
                base + 3,
                if &magic[..2] == b"IA" {
                    b"T"
                } else {
                    &magic[3..]
                },
            );
            self.put(base + 2, if &magic[..2] == b"AB" { b"T" } else { b"B" });
        }
        self.put16(base + 4, level);
        self.put16(base + 6, count as u16);
        self.put(base + 8, &[0xff; 8]);
        if self.has_crc {
            self.put64(base + 16, (base / 512) as u64);
            self.put(base + 32, &UUID);
            self.put32(base + 48, ag as u32);
        }
        self.summed(base, BLOCK, 52);
    }

    /// A leaf of free runs.
    fn leaf(&mut self, ag: usize, block: usize, magic: &[u8; 4], runs: &[(usize, usize, usize)]) {
        self.tree(ag, block, magic, 0, runs.len());
        let start = at(ag, block) + self.head();
        for (index, run) in runs.iter().enumerate() {
            self.put32(start + index * 8, run.1 as u32);
            self.put32(start + index * 8 + 4, run.2 as u32);
        }
    }

    /// Two leaves below a root.
    fn two_levels(&mut self, root: usize, magic: &[u8; 4], runs: &[(usize, usize, usize)]) {
        self.tree(1, root, magic, 1, 2);
        let keys = at(1, root) + self.head();
        let pointers = keys + (BLOCK - self.head()) / 12 * 8;
        for (index, half) in runs.chunks(2).enumerate() {
            let leaf = root + 1 + index;
            self.leaf(1, leaf, magic, half);
            self.put32(keys + index * 8, half[0].1 as u32);
            self.put32(keys + index * 8 + 4, half[0].2 as u32);
            self.put32(pointers + index * 4, leaf as u32);
        }
        self.put32(at(1, root + 1) + 12, root as u32 + 2);
        self.put32(at(1, root + 2) + 8, root as u32 + 1);
    }

    fn trees(&mut self) {
        for ag in 0..3 {
            let by_block: Vec<_> = FREE.into_iter().filter(|run| run.0 == ag).collect();
            let mut by_size = by_block.clone();
            by_size.sort_by_key(|run| (run.2, run.1));
            if ag == 1 {
                self.two_levels(4, b"AB3B", &by_block);
                self.two_levels(7, b"AB3C", &by_size);
            } else {
                self.leaf(ag, 4, b"AB3B", &by_block);
                self.leaf(ag, 5, b"AB3C", &by_size);
            }
            let inobt = if ag == 1 { 10 } else { 6 };
            self.tree(ag, inobt, b"IAB3", 0, usize::from(ag == 0));
        }
        let record = at(0, 6) + self.head();
        let per_block = 512 / self.inode_bytes();
        self.put32(record, 12 * per_block as u32);
        if self.has_crc {
            // No holes, 64 inodes.
            self.put16(record + 6, 64 << 8);
        }
        // The first three are in use.
        self.put64(record + 8, !0b111);
        if self.has_crc {
            for (ag, block) in MORE.into_iter().enumerate() {
                self.tree(ag, block, b"FIB3", 0, usize::from(ag == 0));
                self.tree(ag, block + 1, b"R3FC", 0, usize::from(ag == 0));
            }
            let chunk = self.bytes[record..record + 16].to_vec();
            self.put(at(0, MORE[0]) + 56, &chunk);
            // Two files share these.
            for (index, word) in [80, 5, 2].into_iter().enumerate() {
                self.put32(at(0, MORE[0] + 1) + 56 + index * 4, word);
            }
        }
        if self.has_rmap {
            self.reverse_maps();
        }
    }

    /// An extent: 54 bits of the offset in the file, 52 of the block, 21 of the length.
    pub(crate) fn extent(&mut self, at: usize, offset: u64, block: u64, blocks: u64) {
        self.put64(at, offset << 9 | block >> 43);
        self.put64(at + 8, block << 21 | blocks);
    }

    /// Looks into it.
    pub(crate) fn open(&self) -> Filesystem<&[u8]> {
        self.open_with(&Options::default())
    }

    pub(crate) fn open_with(&self, options: &Options<'_>) -> Filesystem<&[u8]> {
        detect(self.bytes.as_slice(), options).unwrap().unwrap()
    }

    /// What is free, in bytes.
    pub(crate) fn free(&self) -> Vec<(usize, usize)> {
        free(&self.open())
    }
}

/// The bytes of `filesystem` that are free: where, and how many.
pub(crate) fn free(filesystem: &Filesystem<&[u8]>) -> Vec<(usize, usize)> {
    let free = extents(filesystem).into_iter();
    free.filter(|extent| extent.kind == ExtentKind::Free)
        .map(|extent| (extent.start as usize, extent.length as usize))
        .collect()
}

/// All extents, which tile the disk.
pub(crate) fn extents(filesystem: &Filesystem<&[u8]>) -> Vec<Extent> {
    let size = filesystem.disk().len() as u64;
    let extents: Result<Vec<_>, _> = filesystem.extents(0..size).collect();
    let extents = extents.unwrap();
    assert!(blockio::tiles(extents.iter().copied(), size));
    extents
}

/// What is free of the groups `of`, in bytes.
pub(crate) fn free_of(of: &[usize]) -> Vec<(usize, usize)> {
    let runs = FREE.iter().filter(|run| of.contains(&run.0));
    runs.map(|run| (at(run.0, run.1), run.2 * BLOCK)).collect()
}
