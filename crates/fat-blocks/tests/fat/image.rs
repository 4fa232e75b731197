//! Small FAT filesystems of which every byte is written here, at literal offsets.

use blockio::{Extent, ExtentKind, Tiling, tiles};
use fat_blocks::{Detected, Distrust, ErrorKind, Filesystem, Kind, Options, Trust, detect};

/// A FAT filesystem of sectors and clusters of 512 bytes, with two FATs.
#[derive(Clone, Debug)]
pub(crate) struct Fat {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: Kind,
    /// Byte and length of the first FAT.
    pub(crate) table: (usize, usize),
    /// Byte of the root directory.
    pub(crate) root: usize,
    /// Byte of cluster 2.
    pub(crate) heap: usize,
    pub(crate) clusters: u32,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Fat12, Kind::Fat16, Kind::Fat32];
pub(crate) const END: u32 = 0x0fff_ffff;
pub(crate) const DIRECTORY: u8 = 0x10;

impl Fat {
    /// An empty one, with bytes of no meaning in all clusters and at the end.
    pub(crate) fn new(kind: Kind) -> Self {
        let (reserved, table_sectors, root_sectors, clusters): (usize, usize, usize, u32) =
            match kind {
                Kind::Fat12 => (1, 1, 2, 100),
                Kind::Fat16 => (3, 17, 1, 4100),
                _ => (32, 2, 0, 120),
            };
        let root = (reserved + 2 * table_sectors) * 512;
        let heap = root + root_sectors * 512;
        let sectors = heap / 512 + clusters as usize;
        // A disk that is a little longer.
        let mut bytes = vec![0; heap];
        bytes.resize(sectors * 512 + 300, 0xa5);
        let table = (reserved * 512, table_sectors * 512);
        let mut fat = Self {
            bytes,
            kind,
            table,
            root,
            heap,
            clusters,
        };
        fat.put(0, &[0xeb, 0x3c, 0x90]).put(3, b"by hand ");
        fat.put(11, &512u16.to_le_bytes())
            .put(13, &[1, reserved as u8, 0, 2]);
        fat.put(21, &[0xf8]).put(510, &[0x55, 0xaa]);
        if kind == Kind::Fat32 {
            fat.put(32, &(sectors as u32).to_le_bytes())
                .put(36, &[2])
                .put(44, &[2]);
            fat.put(48, &[1, 0, 6])
                .put(66, &[0x29, 4, 3, 2, 1])
                .put(71, b"HAND       ");
            fat.root = fat.heap;
            fat.link(2, END);
            fat.put(fat.heap, &[0; 512]);
        } else {
            fat.put(17, &[root_sectors as u8 * 16])
                .put(22, &[table_sectors as u8]);
            fat.put(19, &(sectors as u16).to_le_bytes());
            fat.put(38, &[0x29, 4, 3, 2, 1]).put(43, b"HAND       ");
        }
        fat.link(0, 0x0fff_fff8).link(1, END);
        fat
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes entry `cluster` of one of the FATs.
    pub(crate) fn link_in(&mut self, copy: usize, cluster: u32, value: u32) -> &mut Self {
        let start = self.table.0 + copy * self.table.1;
        let cluster = cluster as usize;
        match self.kind {
            Kind::Fat12 => {
                let at = start + cluster * 3 / 2;
                let [low, high] = [self.bytes[at], self.bytes[at + 1]];
                let old = u16::from_le_bytes([low, high]);
                let value = value as u16 & 0xfff;
                let new = if cluster.is_multiple_of(2) {
                    old & 0xf000 | value
                } else {
                    old & 0xf | value << 4
                };
                self.put(at, &new.to_le_bytes())
            }
            Kind::Fat16 => self.put(start + cluster * 2, &(value as u16).to_le_bytes()),
            _ => self.put(start + cluster * 4, &value.to_le_bytes()),
        }
    }

    /// Writes entry `cluster` of both FATs.
    pub(crate) fn link(&mut self, cluster: u32, value: u32) -> &mut Self {
        self.link_in(0, cluster, value).link_in(1, cluster, value)
    }

    /// Links `clusters` to a chain.
    pub(crate) fn chain(&mut self, clusters: &[u32]) -> &mut Self {
        for pair in clusters.windows(2) {
            self.link(pair[0], pair[1]);
        }
        self.link(clusters[clusters.len() - 1], END)
    }

    /// The byte of a cluster.
    pub(crate) fn at(&self, cluster: u32) -> usize {
        self.heap + (cluster as usize - 2) * 512
    }

    /// Writes entry `slot` of the directory at byte `at`.
    pub(crate) fn entry(
        &mut self,
        at: usize,
        slot: usize,
        name: &[u8; 11],
        attributes: u8,
        first: u32,
        bytes: u32,
    ) -> &mut Self {
        let at = at + slot * 32;
        self.put(at, &[0; 32])
            .put(at, name)
            .put(at + 11, &[attributes]);
        self.put(at + 20, &((first >> 16) as u16).to_le_bytes());
        self.put(at + 26, &(first as u16).to_le_bytes());
        self.put(at + 28, &bytes.to_le_bytes())
    }

    /// Writes a file into the root directory.
    pub(crate) fn file(&mut self, slot: usize, first: u32, bytes: u32) -> &mut Self {
        self.entry(self.root, slot, b"FILE    BIN", 0x20, first, bytes)
    }

    /// A filesystem with files, directories within each other, and lost clusters.
    pub(crate) fn filled(kind: Kind) -> Self {
        let mut fat = Self::new(kind);
        fat.chain(&[10, 11, 14, 12]).file(0, 10, 3 * 512 + 1);
        fat.entry(fat.root, 1, b"DIR        ", DIRECTORY, 20, 0)
            .chain(&[20, 30]);
        // A part of a long name, deleted, and a label.
        fat.entry(fat.root, 2, b"AlongnameXX", 0x0f, 99, 1 << 30);
        fat.entry(fat.root, 3, b"\xe5LETED  BIN", 0x20, 10, 1 << 20);
        fat.entry(fat.root, 4, b"LABEL      ", 0x08, 0, 0);
        fat.file(5, 0, 0);
        let (inner, more) = (fat.at(20), fat.at(30));
        fat.put(inner, &[0; 512]).put(more, &[0; 512]);
        fat.entry(inner, 0, b".          ", DIRECTORY, 20, 0);
        fat.entry(inner, 1, b"..         ", DIRECTORY, 0, 0);
        for slot in 2..16 {
            fat.entry(inner, slot, b"EMPTY      ", 0x20, 0, 0);
        }
        fat.entry(more, 0, b"INNER      ", DIRECTORY, 25, 0)
            .chain(&[25]);
        let deep = fat.at(25);
        fat.put(deep, &[0; 512])
            .entry(deep, 0, b"DEEP    BIN", 0x20, 40, 512)
            .chain(&[40]);
        fat
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Filesystem<&Vec<u8>> {
        open(&self.bytes)
    }

    /// Asserts that everything is kept, and why.
    #[track_caller]
    pub(crate) fn kept(&self, distrust: Distrust, kind: ErrorKind) {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), Trust::Nothing(distrust));
        assert_eq!(distrust.kind(), kind);
        assert!(!distrust.to_string().is_empty());
        assert_eq!(filesystem.info().free_bytes, 0);
        assert_eq!(filesystem.damage(), []);
    }

    /// The clusters that are in use.
    #[track_caller]
    pub(crate) fn used(&self) -> Vec<u32> {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), Trust::Clusters);
        let extents = extents(&filesystem, self.bytes.len());
        let free = extents.iter().filter(|run| run.kind == ExtentKind::Free);
        let free: Vec<_> = free.map(Extent::range).collect();
        let all = 2..self.clusters + 2;
        let used = all.filter(|cluster| {
            let at = self.at(*cluster) as u64;
            !free.iter().any(|run| run.contains(&at))
        });
        used.collect()
    }
}

#[track_caller]
pub(crate) fn open(bytes: &Vec<u8>) -> Filesystem<&Vec<u8>> {
    let Detected::Fat(filesystem) = detect(bytes, &Options::default()).unwrap() else {
        panic!("nothing")
    };
    let extents = extents(&filesystem, bytes.len());
    let free = extents.iter().filter(|run| run.kind == ExtentKind::Free);
    let free: u64 = free.map(|run| run.length).sum();
    let info = filesystem.info();
    assert_eq!(
        (info.free_bytes, info.used_bytes),
        (free, bytes.len() as u64 - free)
    );
    filesystem
}

#[track_caller]
pub(crate) fn extents(tiling: &impl Tiling, size: usize) -> Vec<Extent> {
    let extents: Result<Vec<_>, _> = tiling.extents(0..size as u64).collect();
    let extents = extents.unwrap();
    assert!(tiles(extents.iter().copied(), size as u64), "{extents:?}");
    for pair in extents.windows(2) {
        assert_ne!(pair[0].kind, pair[1].kind);
    }
    extents
}
