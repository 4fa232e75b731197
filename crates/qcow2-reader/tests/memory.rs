//! The largest images there can be are read in little memory.
//!
//! One test, so that nothing else in the process counts. The files have holes: the
//! folder for temporary files must be on a file system that has them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::memory::{forget_peak, peak_bytes};
use hostdisk::{Disk, Target, TargetOptions};
use qcow2_reader::{BackingFormat, DiskGate, Image, OpenOptions, References, UnpackOptions};
use tempfile::TempDir;

const MEMORY_BYTES: u64 = 96 << 20;

const COPIED: u64 = 1 << 63;

/// A file with holes.
struct Sparse(File);

impl Sparse {
    fn create(path: &Path, bytes: u64) -> Self {
        let file = File::create(path).unwrap();
        file.set_len(bytes).unwrap();
        Self(file)
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.0.write_all_at(bytes, at).unwrap();
    }

    fn put64(&self, at: u64, value: u64) {
        self.put(at, &value.to_be_bytes());
    }

    fn put32(&self, at: u64, value: u32) {
        self.put(at, &value.to_be_bytes());
    }

    /// The header of version 3, without references.
    fn header(&self, cluster_bits: u32, size: u64, l1: (u64, u32), refcount_table: (u64, u32)) {
        self.put(0, b"QFI\xfb");
        self.put32(4, 3);
        self.put32(20, cluster_bits);
        self.put64(24, size);
        self.put32(36, l1.1);
        self.put64(40, l1.0);
        self.put64(48, refcount_table.0);
        self.put32(56, refcount_table.1);
        self.put32(96, 4);
        self.put32(100, 104);
    }
}

/// An image of 512 GiB, with clusters of 2 MiB: its L2 table has 2 MiB, too, and
/// names one cluster at the end of the disk.
fn layer(path: &Path, below: Option<&str>) {
    let cluster = |index: u64| index << 21;
    let file = Sparse::create(path, cluster(6));
    file.header(21, 1 << 39, (cluster(1), 1), (cluster(2), 1));
    if let Some(name) = below {
        file.put64(8, 1000);
        file.put32(16, u32::try_from(name.len()).unwrap());
        file.put(1000, name.as_bytes());
    }
    file.put64(cluster(1), COPIED | cluster(4));
    file.put64(cluster(2), cluster(3));
    for index in 0..6 {
        file.put(cluster(3) + index * 2, &[0, 1]);
    }
    file.put64(cluster(5) - 8, COPIED | cluster(5));
    file.put(cluster(6) - 1, b"!");
}

/// The most that a chain can have: 64 layers.
fn chain(folder: &Path) {
    layer(&folder.join("image"), Some("1"));
    for index in 1..64 {
        let below = (index + 1).to_string();
        let below = (index < 63).then_some(below.as_str());
        layer(&folder.join(index.to_string()), below);
    }
}

/// Entries of the largest L1 table.
const ENTRIES: u32 = 4 << 20;

/// The largest L1 table, of 32 MiB, for tables of 64 clusters of 512 bytes. One
/// entry of `step` is used, all for one table, and the file is so long that its
/// references are counted in two parts.
fn small_clusters(folder: &Path, step: u64) {
    let file = Sparse::create(&folder.join("image"), 5 << 30);
    let (l1, table, block, l2) = (0x10_0000, 0x400, 0x10_000, 0x8_0000);
    file.header(9, 128 << 30, (l1, ENTRIES), (table, 1));
    file.put64(table, block);
    let mut entries = (COPIED | l2).to_be_bytes().to_vec();
    entries.resize(usize::try_from(step * 8).unwrap(), 0);
    let entries = entries.repeat((8 << 20) / entries.len());
    for part in 0..4 {
        file.put(l1 + (part << 23), &entries);
    }
    file.put64(l2 + 8, COPIED | ((5 << 30) - 512));
    file.put((5 << 30) - 1, b"!");
}

/// With the dirty bit, which says that refcounts may be too small.
fn few_tables(folder: &Path) {
    small_clusters(folder, 4096);
    let file = Sparse(
        File::options()
            .write(true)
            .open(folder.join("image"))
            .unwrap(),
    );
    file.put(79, &[1]);
}

/// All references are counted, and too many.
fn one_table_everywhere(folder: &Path) {
    small_clusters(folder, 1);
}

fn read(folder: &Path, is_whole: bool) {
    let disk = Disk::open(folder.join("image")).unwrap();
    let mut gate = DiskGate::new(&disk, References::Beside).with_format(Some(BackingFormat::Qcow2));
    let image = Image::open_with(disk, &OpenOptions::default(), &mut gate).unwrap();
    assert_eq!(image.check_references().is_ok(), is_whole);
    if !is_whole {
        return;
    }
    assert!(image.extents(0..u64::MAX).all(|extent| extent.is_ok()));
    let target = Target::create(folder.join("disk"), &TargetOptions::default()).unwrap();
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::new(2).unwrap();
    image.unpack(&target, &options).unwrap();
}

#[test]
fn the_largest_images_take_little_memory() {
    type Make = fn(&Path);
    let subjects: [(&str, Make, bool); 3] = [
        ("64 layers", chain, true),
        ("few L2 tables", few_tables, true),
        ("one L2 table", one_table_everywhere, false),
    ];
    for (name, make, is_whole) in subjects {
        let folder = TempDir::new().unwrap();
        make(folder.path());
        forget_peak().unwrap();
        let start = std::time::Instant::now();
        read(folder.path(), is_whole);
        let peak_mib = peak_bytes().unwrap() >> 20;
        println!("{name}: {peak_mib} MiB, {:?}", start.elapsed());
        assert!(peak_mib << 20 < MEMORY_BYTES, "{name}: {peak_mib} MiB");
    }
}
