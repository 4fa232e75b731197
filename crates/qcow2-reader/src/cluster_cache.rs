//! Reading compressed clusters, and a bounded cache of them: small reads in a
//! row decode each cluster once.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockio::{ReadAt, len_u64};
use lru::LruCache;
use qcow2_codec::Decoders;
use qcow2_format::ClusterBits;
use qcow2_map::{Error as ImageError, Stream, Structure};

use crate::error::Error;
use crate::options::OpenOptions;
use crate::source::Source;
use crate::source::files::Files;

/// A stream, and the index of the file that has it.
type Place = (usize, Stream);

/// The compressed clusters of all layers.
#[derive(Debug)]
pub(crate) struct Clusters {
    /// By file and stream and not by guest offset: several clusters may share one.
    cache: Mutex<LruCache<Place, Arc<Vec<u8>>>>,
    /// What readers work with, when they are not at work.
    idle: Mutex<Vec<Bench>>,
}

/// What a reader needs to decode a stream.
#[derive(Debug, Default)]
struct Bench {
    decoders: Decoders,
    stored: Vec<u8>,
}

impl Clusters {
    /// None yet, of at most `cluster_bits`.
    pub(crate) fn new(cluster_bits: ClusterBits, options: &OpenOptions) -> Self {
        let cached = options.cluster_cache_bytes / cluster_bits.bytes();
        let cached = usize::try_from(cached).unwrap_or(usize::MAX);
        let mut cache = LruCache::unbounded();
        cache.resize(NonZeroUsize::new(cached).unwrap_or(NonZeroUsize::MIN));
        Self {
            cache: Mutex::new(cache),
            idle: Mutex::default(),
        }
    }

    /// Fills `bytes` with the bytes `guest`, which are in the one cluster that
    /// `stream` of the file with index `file` gives.
    pub(crate) fn read<S: ReadAt>(
        &self,
        files: &Files<'_, S>,
        file: usize,
        guest: &Range<u64>,
        stream: &Stream,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let cluster_bits = stream.codec.cluster_bits;
        let decode = |cluster: &mut [u8]| self.decode(files, file, guest, stream, cluster);
        let cached = lock(&self.cache).get(&(file, *stream)).cloned();
        let cluster = match cached {
            Some(cluster) => cluster,
            None if len_u64(bytes.len()) == cluster_bits.bytes() => return decode(bytes),
            None => {
                let length = usize::try_from(cluster_bits.bytes()).unwrap_or(usize::MAX);
                let mut cluster = vec![0; length];
                // Not under the lock: others go on reading what is there.
                decode(&mut cluster)?;
                let cluster = Arc::new(cluster);
                lock(&self.cache).put((file, *stream), Arc::clone(&cluster));
                cluster
            }
        };
        let start = cluster_bits.offset_in_cluster(guest.start);
        cluster.read_at(start, bytes).map_err(|source| {
            Error::Image(ImageError::Read {
                structure: Structure::Stream,
                host: stream.host,
                source,
            })
        })
    }

    fn decode<S: ReadAt>(
        &self,
        files: &Files<'_, S>,
        file: usize,
        guest: &Range<u64>,
        stream: &Stream,
        cluster: &mut [u8],
    ) -> Result<(), Error> {
        let mut bench = lock(&self.idle).pop().unwrap_or_default();
        // At most two clusters.
        let length = usize::try_from(stream.bytes).unwrap_or(usize::MAX);
        bench.stored.resize(length, 0);
        files.read(Structure::Stream, file, stream.host.0, &mut bench.stored)?;
        let decoder = bench.decoders.of(stream.codec.compression);
        let decoded = decoder.decode(&bench.stored, cluster);
        lock(&self.idle).push(bench);
        decoded.map_err(|fault| {
            let file_bytes = files.file_bytes(file);
            Error::Image(stream.error(fault, guest.clone(), file_bytes))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
