//! Physical volumes of which every byte is written here, at literal offsets.

use std::ops::Range;

use blockio::{ExtentKind, Tiling};
use disk_layout::{Disk, Options, Report};

pub(crate) const KIB: u64 = 1 << 10;
/// Bytes of an extent: 8 sectors of the text.
pub(crate) const EXTENT: u64 = 4 * KIB;
/// Where the first extent of a volume is: 32 sectors of the text.
pub(crate) const DATA: u64 = 16 * KIB;
/// Bytes of a volume: 12 extents, and 1 KiB after them.
pub(crate) const PV: u64 = DATA + 12 * EXTENT + KIB;
/// Where the first partition is.
pub(crate) const FIRST: u64 = 32 * KIB;

pub(crate) const IDS: [&str; 3] = [
    "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000001",
    "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000002",
    "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000003",
];

/// The CRC of LVM2.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// A disk in memory.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> &mut Self {
        let at = at as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn u64(&mut self, at: u64, value: u64) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, at: u64, value: u32) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    fn crc_of(&self, range: Range<u64>) -> u32 {
        crc(&self.0[range.start as usize..range.end as usize])
    }

    /// Makes the checksum of the label at `at` right.
    pub(crate) fn sign_label(&mut self, at: u64) -> &mut Self {
        let crc = self.crc_of(at + 20..at + 512);
        self.u32(at + 16, crc)
    }

    /// Makes the checksum of the metadata area at `at` right.
    pub(crate) fn sign_area(&mut self, at: u64) -> &mut Self {
        let crc = self.crc_of(at + 4..at + 512);
        self.u32(at, crc)
    }

    /// Writes the label of a volume at byte `pv`, in its second sector, with metadata areas
    /// at these bytes of the volume.
    pub(crate) fn label(&mut self, pv: u64, id: &str, areas: &[Range<u64>]) -> &mut Self {
        let at = pv + 512;
        self.put(at, b"LABELONE").u64(at + 8, 1).u32(at + 20, 32);
        self.put(at + 24, b"LVM2 001");
        self.put(at + 32, id.replace('-', "").as_bytes());
        self.u64(at + 64, PV).u64(at + 72, DATA);
        for (index, area) in areas.iter().enumerate() {
            let place = at + 104 + 16 * index as u64;
            self.u64(place, area.start);
            self.u64(place + 8, area.end - area.start);
        }
        self.sign_label(at)
    }

    /// Writes a metadata area of `bytes` bytes at `at`, which is byte `own` of its volume,
    /// with `text` at `offset` in it. What passes the end goes on after the header.
    pub(crate) fn area(&mut self, at: u64, own: u64, bytes: u64, offset: u64, text: &str) {
        self.put(at + 4, b" LVM2 x[5A%r0N*>").u32(at + 20, 1);
        self.u64(at + 24, own).u64(at + 32, bytes);
        let text = [text.as_bytes(), b"\0"].concat();
        self.u64(at + 40, offset).u64(at + 48, text.len() as u64);
        self.u32(at + 56, crc(&text)).u32(at + 60, 0);
        let (first, second) = text.split_at(text.len().min((bytes - offset) as usize));
        self.put(at + offset, first).put(at + 512, second);
        self.sign_area(at);
    }

    /// Writes swap of `pages` pages, of which `bad` are in use, as a volume sees its bytes:
    /// `at` says where each page is.
    pub(crate) fn swap(&mut self, pages: u32, bad: &[u32], at: impl Fn(u32) -> u64) -> &mut Self {
        let head = at(0);
        self.u32(head + 1024, 1).u32(head + 1028, pages - 1);
        self.u32(head + 1032, bad.len() as u32);
        for (index, bad) in bad.iter().enumerate() {
            self.u32(head + 1536 + 4 * index as u64, *bad);
        }
        self.put(head + 1052, b"label")
            .put(head + 4086, b"SWAPSPACE2")
    }
}

/// The place of each metadata area in its volume.
pub(crate) const AREA: Range<u64> = 4 * KIB..DATA;

/// A physical volume in the text.
pub(crate) fn member(index: usize) -> String {
    let id = IDS[index];
    format!(
        "pv{index} {{\nid = \"{id}\"\ndevice = \"/dev/sd{index}\"\nstatus = [\"ALLOCATABLE\"]\n\
         flags = []\ndev_size = 130\npe_start = 32\npe_count = 12\n}}\n"
    )
}

/// A segment in the text: from this extent on, so many, and what it consists of.
pub(crate) fn segment(number: u32, start: u64, count: u64, rest: &str) -> String {
    format!("segment{number} {{\nstart_extent = {start}\nextent_count = {count}\n{rest}\n}}\n")
}

/// One stripe of a segment.
pub(crate) fn linear(index: usize, first: u64) -> String {
    format!("type = \"striped\"\nstripe_count = 1\nstripes = [\n\"pv{index}\", {first}\n]")
}

/// A volume in the text.
pub(crate) fn volume(name: &str, segments: &[String]) -> String {
    let count = segments.len();
    let segments = segments.concat();
    format!(
        "{name} {{\nid = \"{}\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\n\
         creation_host = \"{name}\"\nsegment_count = {count}\n\n{segments}}}\n",
        IDS[0]
    )
}

/// The text of a group of the first `members` volumes.
pub(crate) fn text(seqno: u64, members: usize, volumes: &[String]) -> String {
    let members: String = (0..members).map(member).collect();
    let volumes = match volumes {
        [] => String::new(),
        volumes => format!("logical_volumes {{\n\n{}}}\n", volumes.concat()),
    };
    format!(
        "vg {{\nid = \"GGGGGG-GGGG-GGGG-GGGG-GGGG-GGGG-GGGGGG\"\nseqno = {seqno}\n\
         format = \"lvm2\" # informational\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\n\
         flags = []\nextent_size = 8\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\n\n\
         physical_volumes {{\n\n{members}}}\n\n{volumes}\n}}\n# Generated by LVM2\n\n\
         contents = \"Text Format Volume Group\"\nversion = 1\n\ndescription = \"a\\\"b\"\n\
         creation_time = 1700000000\t# now\n\n"
    )
}

/// Where the volume with this place begins on a disk with partitions.
pub(crate) fn start(index: usize) -> u64 {
    FIRST + 128 * KIB * index as u64
}

/// A disk with `count` partitions, each a physical volume with `text`.
pub(crate) fn disk(count: usize, text: &str) -> Bytes {
    let mut disk = Bytes(vec![0; (start(count) + 8 * KIB) as usize]);
    disk.put(510, &[0x55, 0xaa]);
    for (index, id) in IDS.iter().enumerate().take(count) {
        let slot = 446 + 16 * index as u64;
        disk.put(slot + 4, &[0x8e]);
        disk.u32(slot + 8, (start(index) / 512) as u32);
        disk.u32(slot + 12, (PV / 512) as u32);
        disk.label(start(index), id, &[AREA]);
        disk.area(start(index) + AREA.start, AREA.start, 12 * KIB, 512, text);
    }
    disk
}

/// A physical volume without a partition table.
pub(crate) fn whole(text: &str) -> Bytes {
    let mut disk = Bytes(vec![0; PV as usize]);
    disk.label(0, IDS[0], &[AREA]);
    disk.area(AREA.start, AREA.start, 12 * KIB, 512, text);
    disk
}

/// What is free on `disk`, and its report.
#[track_caller]
pub(crate) fn look<T>(disk: &Bytes, take: impl FnOnce(&Report, Vec<Range<u64>>) -> T) -> T {
    let parts = Disk::open(&disk.0, &Options::default()).unwrap();
    let size = disk.0.len() as u64;
    let extents: Vec<_> = parts.extents(0..size).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), size));
    for start in (0..size).step_by(1000) {
        let range = start..(start + 9000).min(size);
        let part: Vec<_> = parts.extents(range.clone()).map(Result::unwrap).collect();
        let all = extents.iter().copied().map(Ok::<_, blockio::BoxError>);
        let want: Vec<_> = blockio::clip(all, range).map(Result::unwrap).collect();
        assert_eq!(part, want);
    }
    let free = extents.iter().filter(|one| one.kind == ExtentKind::Free);
    take(parts.report(), free.map(blockio::Extent::range).collect())
}

pub(crate) fn free(disk: &Bytes) -> Vec<Range<u64>> {
    look(disk, |_, free| free)
}

/// Extents of a volume as bytes of its disk.
pub(crate) fn extents(pv: u64, range: Range<u64>) -> Range<u64> {
    pv + DATA + range.start * EXTENT..pv + DATA + range.end * EXTENT
}
