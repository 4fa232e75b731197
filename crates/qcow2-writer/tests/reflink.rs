//! Images that share blocks with the disk, on a store that pretends to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::single_range_in_vec_init,
    reason = "lists of one range are meant"
)]

mod common;

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use blockio::{Extent, ExtentKind, Handle, MemoryDisk, ReadAt, Reflink, WriteAt, len_u64};
use hostdisk::Disk;
use proptest::prelude::*;
use qcow2_format::ClusterBits;
use qcow2_writer::{Compression, Error, ErrorKind, PackOptions, PackReport, pack};
use tempfile::NamedTempFile;

use ExtentKind::{Data, Free, Zero};

/// A new store that shares by copying, and notes what it was asked for.
struct Sharing {
    inner: MemoryDisk,
    /// What offsets and lengths must be multiples of, as on a filesystem.
    block_bytes: u64,
    /// Calls that succeed, and what the next one says.
    refuses: (usize, io::ErrorKind),
    /// Guest bytes that were shared, by call.
    shared: Mutex<Vec<Range<u64>>>,
}

impl Sharing {
    fn new() -> Self {
        Self {
            inner: MemoryDisk::default(),
            block_bytes: 512,
            refuses: (usize::MAX, io::ErrorKind::Other),
            shared: Mutex::default(),
        }
    }

    fn refusing(calls: usize, with: io::ErrorKind) -> Self {
        Self {
            refuses: (calls, with),
            ..Self::new()
        }
    }

    /// The image, and the guest bytes that were shared.
    fn into_parts(self) -> (Vec<u8>, Vec<Range<u64>>) {
        (self.inner.into_bytes(), self.shared.into_inner().unwrap())
    }
}

impl ReadAt for Sharing {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buf)
    }
}

impl WriteAt for Sharing {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.inner.write_zeroes(offset, length)
    }
    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let mut shared = self.shared.lock().unwrap();
        if shared.len() >= self.refuses.0 {
            return Err(self.refuses.1.into());
        }
        let aligned = (offset | source_offset | length).is_multiple_of(self.block_bytes);
        if !aligned || length == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        let source: &File = source.downcast_ref().unwrap();
        source.read_exact_at(&mut bytes, source_offset)?;
        shared.push(source_offset..source_offset + length);
        self.inner.write_at(offset, &bytes)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.inner.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        true
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn file_of(bytes: &[u8]) -> (NamedTempFile, Disk) {
    let file = NamedTempFile::new().unwrap();
    file.as_file().write_all_at(bytes, 0).unwrap();
    let disk = Disk::open(file.path()).unwrap();
    (file, disk)
}

/// The same, with holes where 4 KiB are zeros.
fn sparse_file_of(bytes: &[u8]) -> (NamedTempFile, Disk) {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(bytes.size()).unwrap();
    for run in blockio::nonzero_runs(bytes, 4096) {
        let offset = len_u64(run.start);
        file.as_file().write_all_at(&bytes[run], offset).unwrap();
    }
    let disk = Disk::open(file.path()).unwrap();
    (file, disk)
}

fn options(bits: u32, reflink: Reflink) -> PackOptions<'static> {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options.reflink = reflink;
    options
}

fn pack_onto(
    target: &(impl ReadAt + WriteAt),
    disk: &impl ReadAt,
    extents: &[Extent],
    options: &PackOptions<'_>,
) -> Result<PackReport, Error> {
    pack(disk, extents, target, options)
}

fn plain(disk: &impl ReadAt, extents: &[Extent], bits: u32) -> Vec<u8> {
    let target = MemoryDisk::default();
    pack_onto(&target, disk, extents, &options(bits, Reflink::Never)).unwrap();
    target.into_bytes()
}

/// The bytes of `disk` in use, as long as the header says.
fn used(disk: &[u8], extents: &[Extent]) -> Vec<u8> {
    let mut used = vec![0; disk.len().next_multiple_of(512)];
    for extent in extents.iter().filter(|extent| extent.kind == Data) {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        used[range.clone()].copy_from_slice(&disk[range]);
    }
    used
}

/// Runs of a kind, with a length in bytes and a fill.
fn disks() -> impl Strategy<Value = (Vec<u8>, Vec<Extent>)> {
    let kind = prop_oneof![3 => Just(Data), 1 => Just(Zero), 1 => Just(Free)];
    let length = prop_oneof![1usize..700, 1usize..9_000, 1usize..400_000];
    let fill = prop_oneof![1 => Just(0u8), 3 => 1u8..];
    prop::collection::vec((kind, length, fill), 0..12).prop_map(|runs| {
        let (mut bytes, mut extents) = (Vec::new(), Vec::new());
        for (kind, length, fill) in runs {
            let start = bytes.size();
            bytes.resize(bytes.len() + length, fill);
            extents.push(Extent::new(start..bytes.size(), kind));
        }
        for at in (0..bytes.len()).step_by(509) {
            bytes[at] = bytes[at].wrapping_mul(u8::try_from(at % 251).unwrap());
        }
        (bytes, extents)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whole_used_clusters_are_shared_and_nothing_else(
        (bytes, extents) in disks(), bits in 9u32..=16,
    ) {
        let (_file, disk) = file_of(&bytes);
        let target = Sharing::new();
        let report = pack_onto(&target, &disk, &extents, &options(bits, Reflink::Always)).unwrap();
        let (image, shared) = target.into_parts();
        let naive = common::expand(&image);
        prop_assert!(naive.disk == used(&bytes, &extents));
        prop_assert_eq!(naive.stored_clusters, report.stored_clusters);
        prop_assert_eq!(report.image_bytes, len_u64(image.len()));
        // The file has no holes: every whole cluster in use was shared.
        let data = blockio::Merge::new(extents.iter().copied().map(Ok::<_, Infallible>))
            .map(Result::unwrap)
            .filter(|extent| extent.kind == Data);
        let whole = data.map(|extent| {
            extent.start.next_multiple_of(1 << bits)..extent.end() >> bits << bits
        });
        let whole: Vec<_> = whole.filter(|range| !range.is_empty()).collect();
        let bytes: u64 = whole.iter().map(|range| range.end - range.start).sum();
        prop_assert_eq!((shared, report.reflinked_bytes), (whole, bytes));
    }

    #[test]
    fn what_cannot_be_shared_is_copied_from_there_on(
        (bytes, extents) in disks(), bits in 9u32..=16, calls in 0usize..4,
    ) {
        let (_file, disk) = sparse_file_of(&bytes);
        let target = Sharing::refusing(calls, io::ErrorKind::Unsupported);
        let report = pack_onto(&target, &disk, &extents, &options(bits, Reflink::Auto)).unwrap();
        let (image, shared) = target.into_parts();
        prop_assert!(common::expand(&image).disk == used(&bytes, &extents));
        let length: u64 = shared.iter().map(|range| range.end - range.start).sum();
        prop_assert_eq!(report.reflinked_bytes, length);
        if calls == 0 {
            prop_assert!(image == plain(&disk, &extents, bits));
        }
    }
}

/// 12 MiB of data that no two blocks have in common, and one extent.
fn all_data() -> (Vec<u8>, [Extent; 1]) {
    let bytes: Vec<u8> = (0..12u32 << 20)
        .map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0] | 1)
        .collect();
    let extents = [Extent::new(0..bytes.size(), Data)];
    (bytes, extents)
}

#[test]
fn a_run_is_shared_at_once_through_many_tables() {
    let (bytes, extents) = all_data();
    let (_file, disk) = file_of(&bytes);
    let target = Sharing::new();
    // Tables of 4 KiB clusters reach 2 MiB.
    pack_onto(&target, &disk, &extents, &options(12, Reflink::Auto)).unwrap();
    let (image, shared) = target.into_parts();
    assert_eq!(shared, [0..12 << 20].to_vec());
    assert!(image == plain(&disk, &extents, 12));
}

#[test]
fn tables_that_nobody_foresaw_lie_between_what_is_shared() {
    let (bytes, all) = all_data();
    let (_file, disk) = file_of(&bytes);
    let first = [
        Extent::new(0..4 << 20, Free),
        Extent::new(4 << 20..6 << 20, Data),
        Extent::new(6 << 20..12 << 20, Free),
    ];
    let changing = common::Changing::new(&first, &all);
    let target = Sharing::new();
    pack(&disk, &changing, &target, &options(12, Reflink::Always)).unwrap();
    let (image, shared) = target.into_parts();
    assert!(common::expand(&image).disk == bytes);
    assert_eq!(shared.len(), 6);
}

#[test]
fn a_hole_is_left_out_and_a_cluster_that_is_partly_one_is_shared() {
    let mut bytes = vec![0; 1 << 20];
    bytes[0x2_2000..0x2_3000].fill(7);
    let (_file, disk) = sparse_file_of(&bytes);
    if disk.next_data(0).unwrap() != Some(0x2_2000..0x2_3000) {
        eprintln!("SKIPPED: no holes of 4 KiB in the folder for temporary files");
        return;
    }
    let target = Sharing::new();
    let extents = [
        Extent::new(0..0x2_2800, Data),
        Extent::new(0x2_2800..1 << 20, Zero),
    ];
    let report = pack_onto(&target, &disk, &extents, &options(16, Reflink::Always)).unwrap();
    assert_eq!((report.stored_clusters, report.reflinked_bytes), (1, 0));

    let target = Sharing::new();
    let extents = [
        Extent::new(0..0x2_2800, Data),
        Extent::new(0x2_2800..1 << 20, Data),
    ];
    let report = pack_onto(&target, &disk, &extents, &options(16, Reflink::Always)).unwrap();
    assert_eq!(
        (report.stored_clusters, report.reflinked_bytes),
        (1, 0x1_0000)
    );
    let (image, shared) = target.into_parts();
    assert_eq!(shared, [0x2_0000..0x3_0000].to_vec());
    assert!(image == plain(&disk, &extents, 16));
}

#[test]
fn clusters_below_the_block_size_are_copied() {
    let (bytes, extents) = all_data();
    let (_file, disk) = file_of(&bytes);
    let target = Sharing {
        block_bytes: 4096,
        ..Sharing::new()
    };
    let report = pack_onto(&target, &disk, &extents, &options(9, Reflink::Auto)).unwrap();
    assert_eq!(report.reflinked_bytes, 0);
    assert!(target.into_parts().0 == plain(&disk, &extents, 9));
}

#[track_caller]
fn refuses(target: &Sharing, disk: &impl ReadAt, reflink: Reflink, message: &str) {
    let extents = [
        Extent::new(0..4096, Free),
        Extent::new(4096..disk.size(), Data),
    ];
    let error = pack_onto(target, disk, &extents, &options(16, reflink)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Target);
    assert_eq!(error.to_string(), message);
    let mut magic = common::MAGIC;
    target.read_at(0, &mut magic).unwrap();
    assert_eq!(magic, [0; 4]);
}

#[test]
fn where_sharing_is_a_must_the_first_refusal_is_the_end() {
    let (bytes, _) = all_data();
    let (_file, disk) = file_of(&bytes);
    // Header, L1 table, one L2 table, the first cluster.
    let message =
        "the image cannot share 12517376 bytes of the disk at 0x10000, as its own at 0x40000";
    let unsupported = || Sharing::refusing(0, io::ErrorKind::Unsupported);
    refuses(&unsupported(), &disk, Reflink::Always, message);
    // What is no file at all.
    refuses(&Sharing::new(), &bytes, Reflink::Always, message);
    // A failure is none that copying would mend.
    let full = Sharing::refusing(0, io::ErrorKind::StorageFull);
    refuses(&full, &disk, Reflink::Auto, message);
}

#[test]
fn a_disk_that_is_no_file_is_copied() {
    let (bytes, extents) = all_data();
    let target = Sharing::new();
    pack_onto(&target, &bytes, &extents, &options(16, Reflink::Auto)).unwrap();
    assert!(target.into_parts().0 == plain(&bytes, &extents, 16));
}

#[test]
fn compressed_clusters_share_no_blocks() {
    let (bytes, extents) = all_data();
    let (_file, disk) = file_of(&bytes);
    let compressed = |reflink| {
        let mut options = options(16, reflink);
        options.compression = Some(Compression::Zstd { level: 1 });
        options
    };
    let target = Sharing::new();
    let error = pack_onto(&target, &disk, &extents, &compressed(Reflink::Always)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "the image cannot share blocks with the disk: its clusters are compressed"
    );
    assert_eq!(target.into_parts().0, []);

    let images = [Reflink::Auto, Reflink::Never].map(|reflink| {
        let target = Sharing::new();
        let report = pack_onto(&target, &disk, &extents, &compressed(reflink)).unwrap();
        assert_eq!(report.reflinked_bytes, 0);
        target.into_parts().0
    });
    assert!(images[0] == images[1]);
}
