//! How fast zeros are told from data.

use blockio::{is_zero, nonzero_runs};
use divan::Bencher;
use divan::counter::BytesCount;

/// What `pack` reads at once, and a cluster.
const BUFFER_BYTES: usize = 512 << 10;
const CLUSTER_BYTES: usize = 64 << 10;
const BLOCK_BYTES: usize = 4 << 10;

/// What the blocks of a buffer hold.
#[derive(Clone, Copy, Debug)]
enum Content {
    Zeros,
    /// One byte, the last of each block, which takes the longest to find.
    LastBytes,
    Data,
    /// Two clusters of data, then one of zeros.
    Mixed,
}

const CONTENTS: [Content; 4] = [
    Content::Zeros,
    Content::LastBytes,
    Content::Data,
    Content::Mixed,
];

fn main() {
    divan::main();
}

fn buffer(content: Content) -> Vec<u8> {
    let mut bytes = vec![0; BUFFER_BYTES];
    match content {
        Content::Zeros => {}
        Content::LastBytes => {
            for block in bytes.chunks_mut(BLOCK_BYTES) {
                block[BLOCK_BYTES - 1] = 1;
            }
        }
        Content::Data => bytes.fill(0xa5),
        Content::Mixed => {
            for (index, cluster) in bytes.chunks_mut(CLUSTER_BYTES).enumerate() {
                cluster.fill(if index % 3 == 2 { 0 } else { 0xa5 });
            }
        }
    }
    bytes
}

/// Clusters that are zero.
#[divan::bench(args = CONTENTS)]
fn zero_clusters(bencher: Bencher<'_, '_>, content: Content) {
    let bytes = buffer(content);
    bencher
        .counter(BytesCount::new(BUFFER_BYTES))
        .bench_local(|| {
            let clusters = divan::black_box(&bytes).chunks(CLUSTER_BYTES);
            clusters.filter(|cluster| is_zero(cluster)).count()
        });
}

/// Runs of clusters, and of blocks, that are not.
#[divan::bench(args = CONTENTS, consts = [BLOCK_BYTES, CLUSTER_BYTES])]
fn runs<const GRANULE: usize>(bencher: Bencher<'_, '_>, content: Content) {
    let bytes = buffer(content);
    bencher
        .counter(BytesCount::new(BUFFER_BYTES))
        .bench_local(|| nonzero_runs(divan::black_box(&bytes), GRANULE).count());
}
