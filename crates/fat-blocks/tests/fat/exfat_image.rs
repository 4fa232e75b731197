//! A small exFAT filesystem of which every byte is written here, at literal offsets.

use fat_blocks::{Distrust, ErrorKind, Trust};

use crate::image::{extents, open};

/// Sectors and clusters of 512 bytes: the boot regions, a FAT in sector 24, 32 sectors
/// for 120 clusters from sector 32.
#[derive(Clone, Debug)]
pub(crate) struct ExFat(pub(crate) Vec<u8>);

pub(crate) const CLUSTERS: u32 = 120;
const FAT_AT: usize = 24 * 512;
const HEAP_AT: usize = 32 * 512;
/// Bitmap, table of capital letters, root directory.
pub(crate) const BITMAP: u32 = 2;
pub(crate) const ROOT: u32 = 4;
pub(crate) const END: u32 = u32::MAX;

impl ExFat {
    pub(crate) fn new() -> Self {
        let sectors = 32 + u64::from(CLUSTERS);
        let mut exfat = Self(vec![0xa5; sectors as usize * 512 + 700]);
        exfat.0[..HEAP_AT].fill(0);
        exfat.put(0, &[0xeb, 0x76, 0x90]).put(3, b"EXFAT   ");
        exfat
            .put(72, &sectors.to_le_bytes())
            .u32(80, 24)
            .u32(84, 1)
            .u32(88, 32);
        exfat.u32(92, CLUSTERS).u32(96, ROOT).u32(100, 0x0102_0304);
        exfat
            .put(104, &[0, 1])
            .put(108, &[9, 0, 1, 0x80, 0xff])
            .put(510, &[0x55, 0xaa]);
        exfat.seal();
        exfat.link(0, 0xffff_fff8).link(1, END);
        for cluster in [BITMAP, 3, ROOT] {
            exfat.link(cluster, END);
            let at = exfat.at(cluster);
            exfat.put(at, &[0; 512]);
        }
        exfat.allocate(&[BITMAP, 3, ROOT], true);
        exfat
            .entry(0, 0x83, 0, 0)
            .put(HEAP_AT + 1024 + 1, &[2, b'h', 0, 0xe9, 0]);
        exfat.entry(1, 0x81, BITMAP, 15).entry(2, 0x82, 3, 60);
        exfat
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    /// Makes the checksum of the boot region right.
    pub(crate) fn seal(&mut self) -> &mut Self {
        let mut sum = 0u32;
        for (at, byte) in self.0[..11 * 512].iter().enumerate() {
            if ![106, 107, 112].contains(&at) {
                sum = sum.rotate_right(1).wrapping_add(u32::from(*byte));
            }
        }
        for word in 0..128 {
            self.u32(11 * 512 + word * 4, sum);
        }
        self
    }

    pub(crate) fn link(&mut self, cluster: u32, value: u32) -> &mut Self {
        self.u32(FAT_AT + cluster as usize * 4, value)
    }

    pub(crate) fn at(&self, cluster: u32) -> usize {
        HEAP_AT + (cluster as usize - 2) * 512
    }

    /// Sets or clears bits of the bitmap.
    pub(crate) fn allocate(&mut self, clusters: &[u32], used: bool) -> &mut Self {
        for cluster in clusters {
            let bit = *cluster as usize - 2;
            let byte = &mut self.0[HEAP_AT + bit / 8];
            *byte = *byte & !(1 << (bit % 8)) | u8::from(used) << (bit % 8);
        }
        self
    }

    /// Writes entry `slot` of the root directory.
    pub(crate) fn entry(&mut self, slot: usize, kind: u8, first: u32, bytes: u64) -> &mut Self {
        let at = self.at(ROOT) + slot * 32;
        self.put(at, &[0; 32]).put(at, &[kind]).u32(at + 20, first);
        self.put(at + 24, &bytes.to_le_bytes())
    }

    /// Writes the three entries of a file from byte `at` of the disk.
    pub(crate) fn file(
        &mut self,
        at: usize,
        attributes: u8,
        flags: u8,
        first: u32,
        bytes: u64,
    ) -> &mut Self {
        self.put(at, &[0; 96]).put(at, &[0x85, 2, 0, 0, attributes]);
        self.put(at + 32, &[0xc0, flags, 0, 1])
            .u32(at + 32 + 20, first);
        self.put(at + 32 + 8, &bytes.to_le_bytes());
        self.put(at + 32 + 24, &bytes.to_le_bytes());
        self.put(at + 64, &[0xc1, 0, b'f', 0]);
        self.seal_set(at, 3)
    }

    /// Makes the checksum of a set of entries right.
    pub(crate) fn seal_set(&mut self, at: usize, entries: usize) -> &mut Self {
        let mut sum = 0u16;
        for (index, byte) in self.0[at..at + entries * 32].iter().enumerate() {
            if ![2, 3].contains(&index) {
                sum = sum.rotate_right(1).wrapping_add(u16::from(*byte));
            }
        }
        self.put(at + 2, &sum.to_le_bytes())
    }

    /// A chain, a run, and a directory with a file in it.
    pub(crate) fn filled() -> Self {
        let mut exfat = Self::new();
        let root = exfat.at(ROOT);
        exfat
            .file(root + 96, 0x20, 1, 10, 1025)
            .link(10, 15)
            .link(15, 11)
            .link(11, END);
        exfat.file(root + 192, 0x20, 3, 20, 2048);
        exfat.file(root + 288, 0x10, 3, 30, 512);
        exfat.file(root + 384, 0x20, 0, 0, 0);
        exfat.allocate(&[10, 11, 15, 20, 21, 22, 23, 30, 40], true);
        let inner = exfat.at(30);
        exfat
            .put(inner, &[0; 512])
            .file(inner, 0x20, 1, 40, 1)
            .link(40, END);
        exfat
    }

    #[track_caller]
    pub(crate) fn kept(&self, distrust: Distrust, kind: ErrorKind) {
        let filesystem = open(&self.0);
        assert_eq!(filesystem.trust(), Trust::Nothing(distrust));
        assert_eq!(distrust.kind(), kind);
        assert!(!distrust.to_string().is_empty());
        assert_eq!(filesystem.info().free_bytes, 0);
    }

    #[track_caller]
    pub(crate) fn used(&self) -> Vec<u32> {
        let filesystem = open(&self.0);
        assert_eq!(filesystem.trust(), Trust::Clusters);
        let extents = extents(&filesystem, self.0.len());
        let used = (2..CLUSTERS + 2).filter(|cluster| {
            let at = self.at(*cluster) as u64;
            let run = extents
                .iter()
                .find(|run| run.range().contains(&at))
                .unwrap();
            run.kind == blockio::ExtentKind::Data
        });
        used.collect()
    }
}
