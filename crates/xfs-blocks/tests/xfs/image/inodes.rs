//! Inodes, and a tree of extents.

use super::{BLOCK, Image, LISTED, TREED, UUID, at};

impl Image {
    /// The byte where an inode of group 0 begins, counted as in version 5 from block 12.
    pub(crate) const fn inode_at(&self, number: usize) -> usize {
        at(0, 12) + (number - 12) * self.inode_bytes()
    }

    /// The number of an inode, which is that of its place.
    fn number(&self, inode: usize) -> u64 {
        (inode - 12 + 12 * 512 / self.inode_bytes()) as u64
    }

    /// Bytes of an inode before its forks.
    pub(crate) const fn core(&self) -> usize {
        if self.has_crc { 176 } else { 100 }
    }

    pub(super) fn inodes(&mut self) {
        let end = at(0, 12) + 64 * self.inode_bytes();
        self.bytes[at(0, 12)..end].fill(0);
        // A directory inside, a file in extents, one in a tree of them.
        for (number, mode, format) in [(12, 0x41ed, 1), (13, 0x81a4, 2), (14, 0x81a4, 3)] {
            let base = self.inode_at(number);
            self.put(base, b"IN");
            self.put16(base + 2, mode);
            self.put(base + 4, &[if self.has_crc { 3 } else { 2 }, format]);
            if self.has_crc {
                self.put64(base + 152, self.number(number));
                self.put(base + 160, &UUID);
            }
            self.summed(base, self.inode_bytes(), 100);
        }
        let base = self.inode_at(LISTED);
        self.put32(base + 76, 1);
        self.extent(base + self.core(), 0, 80, 8);
        let base = self.inode_at(TREED);
        self.put32(base + 76, 5);
        let root = base + self.core();
        self.put16(root, 1);
        self.put16(root + 2, 1);
        self.put64(root + 4, 0);
        let room = (self.inode_bytes() - self.core() - 4) / 16;
        self.put64(root + 4 + room * 8, 76);
        self.files_tree();
    }

    /// Block 76: a leaf with the extents of a file.
    fn files_tree(&mut self) {
        let base = at(0, 76);
        self.bytes[base..base + BLOCK].fill(0);
        self.put(base, if self.has_crc { b"BMA3" } else { b"BMAP" });
        self.put16(base + 6, 5);
        self.put(base + 8, &[0xff; 16]);
        let mut start = base + 24;
        if self.has_crc {
            self.put64(base + 24, (base / 512) as u64);
            self.put(base + 40, &UUID);
            self.put64(base + 56, 14);
            self.summed(base, BLOCK, 64);
            start = base + 72;
        }
        let extents = [
            (0, 100, 13),
            (20, 1 << 8 | 90, 1),
            (30, 1 << 8 | 100, 1),
            (40, 1 << 8 | 110, 1),
            (50, 80, 5),
        ];
        for (index, (offset, block, blocks)) in extents.into_iter().enumerate() {
            self.extent(start + index * 16, offset, block, blocks);
        }
    }
}
