//! The rmapbts.

use super::{Image, at};

impl Image {
    /// Owners: the headers, trees, inodes, the log and files.
    pub(super) fn reverse_maps(&mut self) {
        let (fs, log, ag, inobt, inodes, refcounts) = (-3i64, -4i64, -5i64, -6i64, -7i64, -8i64);
        let maps: [&[(usize, usize, i64)]; 3] = [
            &[
                (0, 4, fs),
                (4, 2, ag),
                (6, 1, inobt),
                (7, 5, ag),
                (12, 64, inodes),
                (76, 1, 14),
                (80, 8, 13),
                (80, 5, 14),
                (88, 1, inobt),
                (89, 1, refcounts),
                (100, 13, 14),
            ],
            &[
                (0, 4, fs),
                (4, 6, ag),
                (10, 1, inobt),
                (11, 5, ag),
                (16, 1, inobt),
                (17, 1, refcounts),
                (18, 2, ag),
                (20, 64, log),
                (90, 1, 14),
                (100, 1, 14),
                (110, 1, 14),
            ],
            &[
                (0, 4, fs),
                (4, 2, ag),
                (6, 1, inobt),
                (7, 1, ag),
                (8, 1, inobt),
                (9, 1, refcounts),
            ],
        ];
        for (group, maps) in maps.into_iter().enumerate() {
            let block = if group == 1 { 15 } else { 7 };
            self.tree(group, block, b"RMB3", 0, maps.len());
            for (index, (start, blocks, owner)) in maps.iter().enumerate() {
                let record = at(group, block) + 56 + index * 24;
                self.put32(record, *start as u32);
                self.put32(record + 4, *blocks as u32);
                self.put64(record + 8, owner.cast_unsigned());
            }
        }
    }
}
