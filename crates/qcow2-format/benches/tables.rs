//! How fast entries of L2 tables and refcount blocks are read and written.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use divan::Bencher;
use divan::counter::ItemsCount;
use qcow2_format::{ClusterBits, EntryContext, L2Entry, RefcountOrder, Version};

const CLUSTER_BYTES: usize = 64 << 10;
/// Entries of a table of one cluster.
const ENTRIES: u64 = 8192;

const CONTEXT: EntryContext = EntryContext {
    cluster_bits: ClusterBits::DEFAULT,
    version: Version::V3,
    external_data_file: false,
};

fn main() {
    divan::main();
}

/// The entries of a full table, by the layout of the specification: data, with
/// a zero cluster and an unallocated one in sixteen.
fn table() -> Vec<u64> {
    let entry = |index| match index % 16 {
        7 => 0,
        11 => 1,
        _ => 1u64 << 63 | (index + 1) << 16,
    };
    (0..ENTRIES).map(entry).collect()
}

#[divan::bench]
fn decode_l2_table(bencher: Bencher<'_, '_>) {
    let table = table();
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        for (index, raw) in (0..).zip(divan::black_box(&table)) {
            divan::black_box(L2Entry::decode(*raw, &CONTEXT, index).unwrap());
        }
    });
}

#[divan::bench]
fn encode_l2_table(bencher: Bencher<'_, '_>) {
    let decode = |(index, raw)| L2Entry::decode(raw, &CONTEXT, index).unwrap();
    let entries: Vec<_> = (0..).zip(table()).map(decode).collect();
    let mut table = vec![0; entries.len()];
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
        for (raw, entry) in table.iter_mut().zip(divan::black_box(&entries)) {
            *raw = entry.encode(CONTEXT.cluster_bits);
        }
        divan::black_box(&table);
    });
}

/// All refcounts of a block but the first and the last become 1.
#[divan::bench(args = [1, 16, 64])]
fn fill_refcount_block(bencher: Bencher<'_, '_>, width_bits: u32) {
    let order = RefcountOrder::from_bits(width_bits).unwrap();
    let count = order.entries_per_block(CONTEXT.cluster_bits);
    let mut block = vec![0; CLUSTER_BYTES];
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        order
            .fill(divan::black_box(&mut block), 1..count - 1, 1)
            .unwrap();
    });
}
