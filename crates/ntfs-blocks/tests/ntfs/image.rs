//! A small NTFS volume of which every byte is written here, at literal offsets.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Tiling, tiles};
use ntfs_blocks::{Distrust, ErrorKind, Filesystem, Finding, Options, Trust, find};

use crate::build::{
    DATA, LIST, UNIT, away, block, entry, extension, here, last, listed, put, record, root, seal,
};

pub(crate) const CLUSTERS: u64 = 200;
/// Clusters of the MFT, of the copies of its first records, and of the journal.
pub(crate) const MFT: usize = 10;
pub(crate) const RECORDS: usize = 32;
pub(crate) const MIRROR: usize = 50;
pub(crate) const LOG: usize = 60;
pub(crate) const BITMAP: usize = 70;
pub(crate) const INDEX: usize = 71;
/// Clusters that are in use: the boot code, the bitmap of the MFT, the MFT, the copies, the
/// journal, `$Bitmap` and the index, files, and a bad one.
pub(crate) const USED: [Range<u64>; 10] = [
    0..9,
    10..42,
    50..54,
    60..68,
    70..72,
    80..85,
    100..103,
    110..114,
    120..123,
    190..191,
];

#[derive(Clone, Debug)]
pub(crate) struct Image(pub(crate) Vec<u8>);

impl Image {
    /// A sound volume, with bytes of no meaning in all free clusters and at the end.
    pub(crate) fn new() -> Self {
        let mut image = Self(vec![0xa5; CLUSTERS as usize * UNIT + 512 + 300]);
        image.put(0, &[0; 8 * UNIT]).put(3, b"NTFS    ");
        image.put(11, &[0, 2, 2]).put(21, &[0xf8]);
        image.put(40, &(CLUSTERS * 2).to_le_bytes());
        image.put(48, &(MFT as u64).to_le_bytes());
        image.put(56, &(MIRROR as u64).to_le_bytes());
        image.put(64, &[0xf6, 0, 0, 0, 1]);
        image.put(72, &0x0123_4567_89ab_cdefu64.to_le_bytes());
        image.put(510, &[0x55, 0xaa]);
        image.put(LOG * UNIT, &[0xff; 8 * UNIT]);
        image.put(MFT * UNIT, &[0; RECORDS * UNIT]);
        // The bitmap of the MFT: 0 to 11 and 24 to 28.
        image.put(8 * UNIT, &[0xff, 0x0f, 0, 0x1f, 0, 0, 0, 0]);
        image.put(BITMAP * UNIT, &[0; 32]);
        for range in USED {
            image.set(range, true);
        }
        image.set(CLUSTERS..256, true);
        image.put(INDEX * UNIT, &block(&[entry(24, "file"), last()]));
        image.system();
        image.files();
        image
    }

    /// The records of the system.
    fn system(&mut self) {
        self.record(&record(
            0,
            &[
                away((DATA, "", 1), 0..32, 32 * 1024, &[0x11, 32, 10, 0]),
                away((0xb0, "", 2), 0..1, 8, &[0x11, 1, 8, 0]),
            ],
        ));
        self.record(&record(
            1,
            &[away((DATA, "", 1), 0..4, 4096, &[0x11, 4, 50, 0])],
        ));
        self.record(&record(
            2,
            &[away((DATA, "", 1), 0..8, 8192, &[0x11, 8, 60, 0])],
        ));
        let label: Vec<u8> = "Größe".encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.record(&record(
            3,
            &[
                here(0x60, "", 1, &label),
                here(0x70, "", 2, &[0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0]),
            ],
        ));
        self.record(&record(4, &[here(DATA, "", 1, b"attributes")]));
        self.record(&record(
            5,
            &[
                here(0x90, "$I30", 1, &root(&[last()])),
                away((0xa0, "$I30", 2), 0..1, 1024, &[0x11, 1, 71, 0]),
                here(0xb0, "$I30", 3, &[1, 0, 0, 0, 0, 0, 0, 0]),
            ],
        ));
        self.record(&record(
            6,
            &[away((DATA, "", 1), 0..1, 32, &[0x11, 1, 70, 0])],
        ));
        self.record(&record(
            7,
            &[away((DATA, "", 1), 0..8, 8192, &[0x11, 8, 0, 0])],
        ));
        // Bad clusters: all of the volume, with one that is bad.
        let pairs = [0x02, 190, 0, 0x21, 1, 190, 0, 0x01, 9, 0];
        let bad = away((DATA, "$Bad", 2), 0..200, 200 * 1024, &pairs);
        self.record(&record(8, &[here(DATA, "", 1, &[]), bad]));
        for number in 9..12 {
            self.record(&record(number, &[here(DATA, "", 1, &[])]));
        }
    }

    /// Files: one of two runs, one in its record, one of three records; and a record that
    /// is no longer in use.
    fn files(&mut self) {
        let pairs = [0x11, 5, 80, 0x11, 3, 20, 0x01, 2, 0];
        self.record(&record(
            24,
            &[
                here(0x10, "", 0, &[0; 48]),
                away((DATA, "", 1), 0..10, 10_000, &pairs),
            ],
        ));
        self.record(&record(25, &[here(DATA, "", 1, b"in the record")]));
        let list = [
            listed(0x10, 0, 26, 0),
            listed(DATA, 0, 27, 0),
            listed(DATA, 4, 28, 0),
        ];
        self.record(&record(
            26,
            &[
                here(0x10, "", 0, &[0; 48]),
                here(LIST, "", 1, &list.concat()),
            ],
        ));
        let first = away((DATA, "", 0), 0..4, 7000, &[0x11, 4, 110, 0]);
        self.record(&extension(27, 26, &[first]));
        let second = away((DATA, "", 0), 4..7, 0, &[0x11, 3, 120, 0]);
        self.record(&extension(28, 26, &[second]));
        let mut gone = record(29, &[away((DATA, "", 1), 0..1, 1, &[0x11, 1, 44, 0])]);
        gone[22] = 0;
        self.record(&gone);
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        put(&mut self.0, at, bytes);
        self
    }

    /// Marks clusters as used or free in `$Bitmap`.
    pub(crate) fn set(&mut self, clusters: Range<u64>, is_used: bool) -> &mut Self {
        for cluster in clusters {
            let byte = &mut self.0[BITMAP * UNIT + cluster as usize / 8];
            *byte &= !(1 << (cluster % 8));
            *byte |= u8::from(is_used) << (cluster % 8);
        }
        self
    }

    /// Marks a record as used or free in the bitmap of the MFT.
    pub(crate) fn set_record(&mut self, number: usize, is_used: bool) -> &mut Self {
        let byte = &mut self.0[8 * UNIT + number / 8];
        *byte &= !(1 << (number % 8));
        *byte |= u8::from(is_used) << (number % 8);
        self
    }

    /// Where the record `number` is.
    pub(crate) const fn at(number: usize) -> usize {
        (MFT + number) * UNIT
    }

    /// Seals and writes a record at the place of its number, and into the copy.
    pub(crate) fn record(&mut self, plain: &[u8]) -> &mut Self {
        let number = usize::from(plain[44]);
        self.record_at(number, plain)
    }

    /// The same, at the place of `number`.
    pub(crate) fn record_at(&mut self, number: usize, plain: &[u8]) -> &mut Self {
        let mut sealed = plain.to_vec();
        seal(&mut sealed);
        if number < 4 {
            self.put((MIRROR + number) * UNIT, &sealed);
        }
        self.put(Self::at(number), &sealed)
    }

    /// Writes `bytes` into record `number` and into its copy; not where an update sequence
    /// has its places.
    pub(crate) fn patch(&mut self, number: usize, at: usize, bytes: &[u8]) -> &mut Self {
        if number < 4 {
            self.put((MIRROR + number) * UNIT + at, bytes);
        }
        self.put(Self::at(number) + at, bytes)
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Filesystem<&Vec<u8>> {
        open(&self.0)
    }

    /// Asserts that everything is kept, and why.
    #[track_caller]
    pub(crate) fn kept(&self, distrust: Distrust, kind: ErrorKind) {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), Trust::Nothing(distrust), "{distrust}");
        assert_eq!(distrust.kind(), kind);
        assert!(!distrust.to_string().is_empty());
        assert_eq!(filesystem.info().free_bytes, 0);
        assert_eq!(filesystem.damage().total(), 0);
    }

    /// Asserts that everything is kept, since something is damaged.
    #[track_caller]
    pub(crate) fn corrupt(&self, distrust: Distrust) {
        self.kept(distrust, ErrorKind::Corrupt);
    }

    /// Asserts what is used besides the usual, and what is wrong.
    #[track_caller]
    pub(crate) fn used(&self, more: Range<u64>, findings: &[Finding]) {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), Trust::Records);
        assert_eq!(filesystem.damage().findings(), findings);
        let used = |cluster: &u64| {
            let is_in = |range: &Range<u64>| range.contains(cluster);
            is_in(&more) || USED.iter().any(is_in)
        };
        let expected: Vec<u64> = (0..CLUSTERS).filter(used).collect();
        assert_eq!(used_clusters(&filesystem, self.0.len()), expected);
    }
}

/// The clusters that are in use.
pub(crate) fn used_clusters(filesystem: &impl Tiling, size: usize) -> Vec<u64> {
    let extents = extents(filesystem, size);
    let free = extents.iter().filter(|run| run.kind == ExtentKind::Free);
    let free: Vec<_> = free.map(Extent::range).collect();
    let is_free = |cluster: u64| {
        let at = cluster * UNIT as u64;
        free.iter().any(|run| run.contains(&at))
    };
    (0..CLUSTERS).filter(|cluster| !is_free(*cluster)).collect()
}

#[track_caller]
pub(crate) fn open(bytes: &Vec<u8>) -> Filesystem<&Vec<u8>> {
    let candidate = find(bytes).unwrap().unwrap();
    let filesystem = candidate.open(bytes, &Options::default()).unwrap();
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
