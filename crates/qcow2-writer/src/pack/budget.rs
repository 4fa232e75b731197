//! How much is read at once, and on how many threads, within the memory allowed.

use std::num::NonZeroUsize;

use blockio::{Extent, ReadAt};
use pipeline::BufferPool;

use crate::error::Error;
use crate::image::layout::Layout;
use crate::options::PackOptions;
use crate::pack::batch::{Batches, Loaded};
use crate::units::to_usize;

/// Bytes that are read, and written, at once, unless a cluster is larger. Less
/// costs system calls; more makes the page cache look for longer runs of free
/// memory, which can take several times as long as the copy.
pub(crate) const BATCH_BYTES: u64 = 512 << 10;

/// Bytes of data in memory at the same time, at most.
const IN_FLIGHT_BYTES_MAX: u64 = 16 << 20;

/// Batches in flight for each thread; see [`pipeline::ordered_map`].
const BATCHES_PER_THREAD: u64 = 3;

/// Reads the data of `source` in `extents`, which ascend, on all threads, and
/// hands it to `emit` in order, in runs of units.
pub(crate) fn load_each<S: ReadAt + ?Sized>(
    source: &S,
    extents: impl Iterator<Item = Result<Extent, Error>> + Send,
    layout: &Layout,
    options: &PackOptions<'_>,
    emit: impl FnMut(Loaded<'_>) -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let pool = BufferPool::new();
    pipeline::ordered_map(
        threads(options),
        Batches::new(extents, layout.unit_bits, BATCH_BYTES, options.allocation),
        |batch| batch.load(source, &pool),
        emit,
    )
}

/// As many of the threads that are wanted as memory allows.
pub(crate) fn threads(options: &PackOptions<'_>) -> NonZeroUsize {
    let thread_bytes = BATCH_BYTES.max(options.cluster_bits.bytes()) * BATCHES_PER_THREAD;
    let allowed = NonZeroUsize::new(to_usize(IN_FLIGHT_BYTES_MAX / thread_bytes));
    options.threads.min(allowed.unwrap_or(NonZeroUsize::MIN))
}
