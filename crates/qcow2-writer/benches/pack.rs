//! How fast an image is put together where data costs little: in memory.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::mem;
use std::num::NonZeroUsize;

use blockio::{Extent, ExtentKind, MemoryDisk};
use divan::Bencher;
use divan::counter::BytesCount;
use fixtures::SplitMix;
use qcow2_format::{ClusterBits, RefcountOrder};
use qcow2_writer::{Allocation, PackOptions, pack};

const DISK_BYTES: usize = 64 << 20;

/// Room for the data and, with the smallest clusters, as many table entries.
const IMAGE_BYTES_MAX: usize = DISK_BYTES + DISK_BYTES / 8;

fn main() {
    divan::main();
}

/// Packs a disk that is full; with small clusters, tables and refcounts are
/// most of the work.
#[divan::bench(args = [9, 12, 16, 21], sample_count = 10)]
fn cluster_bits(bencher: Bencher<'_, '_>, bits: u32) {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();

    bench(bencher, &options);
}

/// The same with refcounts of other widths, and the smallest clusters.
#[divan::bench(args = [1, 64], sample_count = 10)]
fn refcount_bits(bencher: Bencher<'_, '_>, width_bits: u32) {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(9).unwrap();
    options.refcount_order = RefcountOrder::from_bits(width_bits).unwrap();

    bench(bencher, &options);
}

/// Packs one of four blocks of 4 KiB, and a run of zeros behind each 64th, as the
/// metadata of a filesystem lies; in clusters, and in subclusters.
#[divan::bench(args = [(12, false, "needed"), (12, false, "exact"), (17, true, "exact")], sample_count = 10)]
fn scattered(bencher: Bencher<'_, '_>, (bits, extended_l2, allocation): (u32, bool, &str)) {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options.extended_l2 = extended_l2;
    options.allocation = if allocation == "exact" {
        Allocation::Exact
    } else {
        Allocation::Needed
    };

    let size = u64::try_from(DISK_BYTES).unwrap();
    let mut extents = Vec::new();
    for start in (0..size).step_by(16 << 10) {
        let (data_end, end) = (start + 4096, start + (16 << 10));
        let is_zeros = start.is_multiple_of(1 << 20);
        let rest = if is_zeros {
            ExtentKind::Zero
        } else {
            ExtentKind::Free
        };
        extents.push(Extent::new(start..data_end, ExtentKind::Data));
        extents.push(Extent::new(data_end..end, rest));
    }
    bench_extents(bencher, &options, &extents);
}

fn bench(bencher: Bencher<'_, '_>, options: &PackOptions<'_>) {
    let size = u64::try_from(DISK_BYTES).unwrap();
    bench_extents(bencher, options, &[Extent::new(0..size, ExtentKind::Data)]);
}

fn bench_extents(bencher: Bencher<'_, '_>, options: &PackOptions<'_>, extents: &[Extent]) {
    let mut options = *options;
    options.threads = NonZeroUsize::MIN;

    let disk = SplitMix::new(1).bytes(DISK_BYTES);
    // Memory that was never touched would cost more than all else.
    let mut memory = vec![1; IMAGE_BYTES_MAX];
    bencher
        .counter(BytesCount::new(DISK_BYTES))
        .bench_local(|| {
            memory.clear();
            let image = MemoryDisk::new(mem::take(&mut memory));
            let report = pack(&disk, extents, &image, &options).unwrap();
            memory = image.into_bytes();
            report
        });
}
