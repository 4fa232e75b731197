//! Reading compressed clusters, and a bounded cache of them: small reads in a
//! row decode each cluster once.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockio::{ReadAt, len_u64};
use lru::LruCache;
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, Header};

use crate::decompress::Decoder;
use crate::places::{Places, Stream};
use crate::{Error, OpenOptions, Structure};

/// The compressed clusters of an image.
#[derive(Debug)]
pub(crate) struct Clusters {
    cluster_bits: ClusterBits,
    compression: CompressionType,
    /// By stream and not by guest offset: several clusters may share one.
    cache: Mutex<LruCache<Stream, Arc<Vec<u8>>>>,
    /// What readers work with, when they are not at work.
    idle: Mutex<Vec<Bench>>,
}

/// What a reader needs to decode a stream.
#[derive(Debug)]
struct Bench {
    decoder: Decoder,
    stored: Vec<u8>,
}

impl Clusters {
    pub(crate) fn new(header: &Header, options: &OpenOptions) -> Self {
        let cached = options.cluster_cache_bytes / header.cluster_bits.bytes();
        let cached = usize::try_from(cached).unwrap_or(usize::MAX);
        let mut cache = LruCache::unbounded();
        cache.resize(NonZeroUsize::new(cached).unwrap_or(NonZeroUsize::MIN));
        Self {
            cluster_bits: header.cluster_bits,
            compression: header.compression_type,
            cache: Mutex::new(cache),
            idle: Mutex::default(),
        }
    }

    /// Fills `bytes` with the bytes `guest`, which are in the one cluster that
    /// `stream` gives.
    pub(crate) fn read<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        places: &Places,
        guest: &Range<u64>,
        stream: &Stream,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let decode = |cluster: &mut [u8]| self.decode(storage, places, guest, stream, cluster);
        let cached = lock(&self.cache).get(stream).cloned();
        let cluster = match cached {
            Some(cluster) => cluster,
            None if len_u64(bytes.len()) == self.cluster_bits.bytes() => return decode(bytes),
            None => {
                let length = usize::try_from(self.cluster_bits.bytes()).unwrap_or(usize::MAX);
                let mut cluster = vec![0; length];
                // Not under the lock: others go on reading what is there.
                decode(&mut cluster)?;
                let cluster = Arc::new(cluster);
                lock(&self.cache).put(*stream, Arc::clone(&cluster));
                cluster
            }
        };
        let start = self.cluster_bits.offset_in_cluster(guest.start);
        cluster.read_at(start, bytes).map_err(|source| Error::Read {
            structure: Structure::Stream,
            host: stream.host,
            source,
        })
    }

    fn decode<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        places: &Places,
        guest: &Range<u64>,
        stream: &Stream,
        cluster: &mut [u8],
    ) -> Result<(), Error> {
        let idle = lock(&self.idle).pop();
        let mut bench = idle.unwrap_or_else(|| Bench {
            decoder: Decoder::new(self.compression),
            stored: Vec::new(),
        });
        // At most two clusters.
        let length = usize::try_from(stream.bytes).unwrap_or(usize::MAX);
        bench.stored.resize(length, 0);
        storage
            .read_at(stream.host.0, &mut bench.stored)
            .map_err(|source| Error::Read {
                structure: Structure::Stream,
                host: stream.host,
                source,
            })?;
        let decoded = bench.decoder.decode(&bench.stored, cluster);
        lock(&self.idle).push(bench);
        decoded.map_err(|fault| {
            stream.error(fault, guest.clone(), self.cluster_bits, places.file_bytes())
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
