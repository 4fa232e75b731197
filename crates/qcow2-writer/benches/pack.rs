//! How fast an image is put together where data costs little: in memory.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::convert::Infallible;
use std::mem;
use std::num::NonZeroUsize;

use blockio::{Extent, ExtentKind, MemoryDisk};
use divan::Bencher;
use divan::counter::BytesCount;
use fixtures::SplitMix;
use qcow2_format::{ClusterBits, RefcountOrder};
use qcow2_writer::{PackOptions, pack};

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
    let options = PackOptions {
        cluster_bits: ClusterBits::new(bits).unwrap(),
        ..PackOptions::default()
    };
    bench(bencher, &options);
}

/// The same with refcounts of other widths, and the smallest clusters.
#[divan::bench(args = [1, 64], sample_count = 10)]
fn refcount_bits(bencher: Bencher<'_, '_>, width_bits: u32) {
    let options = PackOptions {
        cluster_bits: ClusterBits::new(9).unwrap(),
        refcount_order: RefcountOrder::from_bits(width_bits).unwrap(),
        ..PackOptions::default()
    };
    bench(bencher, &options);
}

fn bench(bencher: Bencher<'_, '_>, options: &PackOptions<'_>) {
    let options = PackOptions {
        threads: NonZeroUsize::MIN,
        ..*options
    };
    let disk = SplitMix::new(1).bytes(DISK_BYTES);
    let size = u64::try_from(DISK_BYTES).unwrap();
    let whole = [Extent::new(0..size, ExtentKind::Data)];
    // Memory that was never touched would cost more than all else.
    let mut memory = vec![1; IMAGE_BYTES_MAX];
    bencher
        .counter(BytesCount::new(DISK_BYTES))
        .bench_local(|| {
            memory.clear();
            let image = MemoryDisk::new(mem::take(&mut memory));
            let extents = || whole.into_iter().map(Ok::<_, Infallible>);
            let report = pack(&disk, extents, &image, &options).unwrap();
            memory = image.into_bytes();
            report
        });
}
