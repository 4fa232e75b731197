//! What it costs to read an image of others: bounded by its length, in questions
//! for holes, in reads, and in bytes.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

use blockio::{MemoryDisk, ReadAt, len_u64};
use qcow2_reader::{
    BackingFormat, Gate, Image, OpenOptions, Reference, ReferenceFault, UnpackOptions,
};

use crate::builder::words;
use crate::common::{put, put32, put64};

/// Bytes of a block of the file below.
const BLOCK: u64 = 4096;

/// What a file was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    /// Questions for the next data.
    questions: u64,
    /// Bytes that a filesystem in memory looks at to answer them.
    looked_at: u64,
    reads: u64,
    read_bytes: u64,
}

/// A file that is asked for its data and its holes as one in memory is, and counts.
struct Metered {
    file: Vec<u8>,
    data: Vec<Range<u64>>,
    costs: Mutex<Costs>,
}

impl Metered {
    /// All of the file is data.
    fn dense(file: Vec<u8>) -> Self {
        Self {
            data: std::iter::once(0..len_u64(file.len())).collect(),
            file,
            costs: Mutex::default(),
        }
    }

    /// Blocks of zeros are holes.
    fn sparse(file: Vec<u8>) -> Self {
        let mut data: Vec<Range<u64>> = Vec::new();
        let blocks = file.chunks(usize::try_from(BLOCK).unwrap());
        for (start, block) in (0..).step_by(4096).zip(blocks) {
            let end = start + len_u64(block.len());
            match data.last_mut() {
                _ if blockio::is_zero(block) => {}
                Some(last) if last.end == start => last.end = end,
                _ => data.push(start..end),
            }
        }
        Self {
            file,
            data,
            costs: Mutex::default(),
        }
    }

    /// What was asked for since the last time.
    fn costs(&self) -> Costs {
        std::mem::take(&mut *self.costs.lock().unwrap())
    }

    /// Holds the questions of one way through the file against what is in it.
    #[track_caller]
    fn hold_questions(&self, costs: Costs) {
        let ranges = len_u64(self.data.len());
        assert!(
            costs.questions <= ranges + 4 && costs.looked_at <= 2 * self.size(),
            "{costs:?} of {} bytes in {ranges} ranges",
            self.size()
        );
    }
}

impl ReadAt for Metered {
    fn size(&self) -> u64 {
        len_u64(self.file.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut costs = self.costs.lock().unwrap();
        costs.reads += 1;
        costs.read_bytes += len_u64(buf.len());
        self.file.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let next = self.data.partition_point(|data| data.end <= from);
        let next = self.data.get(next);
        let mut costs = self.costs.lock().unwrap();
        costs.questions += 1;
        let end = next.map_or(self.size(), |data| data.end);
        costs.looked_at += end.saturating_sub(from);
        Ok(next.map(|data| data.start.max(from)..data.end))
    }
}

/// Where the clusters of an image are, and how many.
struct Shape {
    bits: u32,
    l2_tables: usize,
    /// Of each table so many first entries are in use.
    entries: usize,
}

impl Shape {
    const ALL: [Self; 4] = [
        Self::new(9, 128, 64),
        Self::new(12, 16, 100),
        Self::new(16, 1, 100),
        Self::new(21, 1, 5),
    ];

    const fn new(bits: u32, l2_tables: usize, entries: usize) -> Self {
        Self {
            bits,
            l2_tables,
            entries,
        }
    }

    const fn cluster(&self) -> usize {
        1 << self.bits
    }

    /// Guest bytes of one L2 table.
    const fn coverage(&self) -> usize {
        self.cluster() / 8 * self.cluster()
    }

    const fn disk_bytes(&self) -> usize {
        (self.l2_tables - 1) * self.coverage() + self.entries * self.cluster()
    }

    /// An image as QEMU lays it out: each L2 table before the data that it maps. The
    /// header, the refcount table and blocks, and the L1 table come first.
    fn image(&self) -> Vec<u8> {
        let cluster = self.cluster();
        let data_clusters = self.l2_tables * (1 + self.entries);
        let l1_clusters = (self.l2_tables * 8).div_ceil(cluster);
        // Refcounts of two bytes, with room for those of the blocks themselves.
        let blocks = (data_clusters + l1_clusters + 2).div_ceil(cluster / 2) + 1;
        let table_clusters = (blocks * 8).div_ceil(cluster);
        let l1 = (1 + table_clusters + blocks) * cluster;
        let mut file = vec![0; l1 + l1_clusters * cluster];
        put(&mut file, 0, b"QFI\xfb");
        put32(&mut file, 4, 3);
        put32(&mut file, 20, self.bits);
        put64(&mut file, 24, len_u64(self.disk_bytes()));
        put32(&mut file, 36, u32::try_from(self.l2_tables).unwrap());
        put64(&mut file, 40, len_u64(l1));
        put64(&mut file, 48, len_u64(cluster));
        put32(&mut file, 56, u32::try_from(table_clusters).unwrap());
        put32(&mut file, 96, 4);
        put32(&mut file, 100, 104);
        for table in 0..self.l2_tables {
            let host = file.len();
            put64(&mut file, l1 + table * 8, 1 << 63 | len_u64(host));
            file.resize(host + cluster, 0);
            for entry in 0..self.entries {
                let data = len_u64(file.len());
                put64(&mut file, host + entry * 8, 1 << 63 | data);
                file.extend(words(table * self.entries + entry, cluster));
            }
        }
        let first_block = 1 + table_clusters;
        for block in 0..blocks {
            let host = len_u64((first_block + block) * cluster);
            put64(&mut file, cluster + block * 8, host);
        }
        for number in 0..file.len() / cluster {
            put(&mut file, first_block * cluster + number * 2, &[0, 1]);
        }
        file
    }

    fn disk(&self) -> Vec<u8> {
        let mut disk = vec![0; self.disk_bytes()];
        for table in 0..self.l2_tables {
            for entry in 0..self.entries {
                let start = table * self.coverage() + entry * self.cluster();
                let bytes = words(table * self.entries + entry, self.cluster());
                put(&mut disk, start, &bytes);
            }
        }
        disk
    }
}

/// Restores `image`, and says what that cost: the check of its references, and all
/// else.
fn restore(image: &Metered, disk: &[u8], name: &str) -> (Costs, Costs) {
    let opened = Image::open(image, &OpenOptions::default()).unwrap();
    image.costs();
    opened.check_references().unwrap();
    let check = image.costs();
    let target = MemoryDisk::default();
    opened.unpack(&target, &UnpackOptions::default()).unwrap();
    assert!(target.into_bytes() == disk, "{name}");
    (check, image.costs())
}

#[test]
fn an_image_costs_what_it_is_long() {
    for shape in Shape::ALL {
        let (file, disk) = (shape.image(), shape.disk());
        let cluster = len_u64(shape.cluster());
        let tables = len_u64(shape.l2_tables);
        let data_bytes = tables * len_u64(shape.entries) * cluster;
        let metadata_bytes = len_u64(file.len()) - data_bytes;
        for image in [Metered::dense(file.clone()), Metered::sparse(file)] {
            let name = format!("clusters of {cluster} bytes");
            let (check, rest) = restore(&image, &disk, &name);
            image.hold_questions(check);
            image.hold_questions(rest);
            // All metadata once, and what is read at once of it is 64 KiB of a table.
            let metadata_reads = metadata_bytes.div_ceil(cluster.min(64 << 10)) + 4;
            assert!(
                check.reads <= metadata_reads && check.read_bytes <= metadata_bytes + (64 << 10),
                "{name}: {check:?}, {metadata_bytes} bytes of metadata"
            );
            // The data of each table lies in a row.
            let data_reads = 2 * (data_bytes.div_ceil(512 << 10) + tables);
            assert!(
                rest.reads <= metadata_reads + data_reads
                    && rest.read_bytes <= metadata_bytes + data_bytes + (64 << 10),
                "{name}: {rest:?}, {data_bytes} bytes of data"
            );
        }
    }
}

#[test]
fn what_qemu_makes_costs_what_it_is_long() {
    let Some(qemu) = fixtures::require("qemu-img") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let disk: Vec<u8> = (0..64).flat_map(|seed| words(seed, 96 << 10)).collect();
    fs::write(path("raw"), &disk).unwrap();
    for (compress, option) in [
        (false, "cluster_size=512"),
        (false, "cluster_size=4k"),
        (false, "cluster_size=64k"),
        (false, "cluster_size=2M"),
        (true, "compression_type=zlib"),
        (true, "compression_type=zstd"),
    ] {
        let image = path("image");
        let convert = qemu.ok(|command| {
            command.args(["convert", "-f", "raw", "-O", "qcow2", "-o", option]);
            if compress {
                command.arg("-c");
            }
            command.args([path("raw"), image.clone()])
        });
        convert.unwrap();
        let image = Metered::dense(fs::read(image).unwrap());
        let (check, rest) = restore(&image, &disk, option);
        image.hold_questions(check);
        image.hold_questions(rest);
        let length = image.size();
        assert!(
            check.read_bytes <= length,
            "{option}: {check:?} of {length}"
        );
        // Streams that share a sector may both have it.
        let most = length + length / 8 + (64 << 10);
        assert!(rest.read_bytes <= most, "{option}: {rest:?} of {length}");
    }
}

/// Gives one raw file to whoever asks.
struct Below<'b>(&'b Metered);

impl<'b> Gate<&'b Metered> for Below<'b> {
    fn backing_file(
        &mut self,
        _: &Reference<'_>,
    ) -> Result<(&'b Metered, BackingFormat), ReferenceFault> {
        Ok((self.0, BackingFormat::Raw))
    }

    fn data_file(&mut self, _: &Reference<'_>) -> Result<&'b Metered, ReferenceFault> {
        Err(ReferenceFault::NotAllowed)
    }
}

#[test]
fn a_raw_file_below_many_clusters_is_asked_once_for_each_range() {
    let shape = Shape::new(9, 64, 64);
    let mut file = shape.image();
    put64(&mut file, 8, 128);
    put32(&mut file, 16, 3);
    put(&mut file, 128, b"raw");
    // Each second entry of each table goes.
    let stored = shape.disk();
    let mut raw = words(7, stored.len());
    let holes = raw.chunks_mut(64 << 10).skip(1).step_by(4);
    holes.for_each(|chunk| chunk.fill(0));
    let mut disk = raw.clone();
    let entry = |at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(entry(40)).unwrap();
    let tables = (0..64).map(|index| entry(l1 + index * 8) & !(1 << 63));
    let tables: Vec<_> = tables.map(|at| usize::try_from(at).unwrap()).collect();
    for (table, at) in tables.into_iter().enumerate() {
        for index in 0..64 {
            let guest = (table * 64 + index) * 512;
            if index % 2 == 0 {
                put(&mut disk, guest, &stored[guest..guest + 512]);
            } else {
                put64(&mut file, at + index * 8, 0);
            }
        }
    }
    let top = Metered::dense(file);
    for below in [Metered::dense(raw.clone()), Metered::sparse(raw)] {
        let mut gate = Below(&below);
        let image = Image::open_with(&top, &OpenOptions::default(), &mut gate).unwrap();
        let target = MemoryDisk::default();
        image.unpack(&target, &UnpackOptions::default()).unwrap();
        assert!(target.into_bytes() == disk);
        below.hold_questions(below.costs());
        let mut at = 0;
        while let Some(data) = image.next_data(at).unwrap() {
            at = data.end;
        }
        assert_eq!(at, len_u64(disk.len()));
        below.hold_questions(below.costs());
        let mut sector = [0; 512];
        for at in (0..at).step_by(512) {
            image.read_at(at, &mut sector).unwrap();
        }
        below.hold_questions(below.costs());
    }
}
