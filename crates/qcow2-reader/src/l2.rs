//! What an L2 entry says of the bytes of its cluster, with and without
//! subclusters.

use std::ops::Range;

use qcow2_format::subcluster::{ExtendedL2Entry, Subcluster, SubclusterBitmap, subcluster_bytes};
use qcow2_format::{EntryContext, Error, HostOffset, L2Entry};

use crate::{Structure, Use};

/// An L2 entry as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) first: u64,
    /// The second word, of an extended entry.
    pub(crate) bitmap: Option<u64>,
}

impl Words {
    /// The entries in `table`, which starts with a whole one.
    pub(crate) fn all(table: &[u8], extended: bool) -> impl Iterator<Item = Self> {
        let (words, _) = table.as_chunks::<8>();
        words
            .chunks_exact(if extended { 2 } else { 1 })
            .filter_map(|words| {
                let (first, rest) = words.split_first()?;
                Some(Self {
                    first: u64::from_be_bytes(*first),
                    bitmap: rest.first().map(|bitmap| u64::from_be_bytes(*bitmap)),
                })
            })
    }

    /// Whether this is an entry of nothing but zeros.
    pub(crate) fn is_zero(self) -> bool {
        self.first == 0 && self.bitmap.unwrap_or(0) == 0
    }

    /// What entry `index` says of the bytes from `offset` of its cluster on, and
    /// the offset in the cluster up to which it says the same.
    pub(crate) fn at(
        self,
        offset: u64,
        context: &EntryContext,
        index: u64,
    ) -> Result<(L2Entry, u64), Error> {
        let cluster_bytes = context.cluster_bits.bytes();
        let Some(bitmap) = self.bitmap else {
            let entry = L2Entry::decode(self.first, context, index)?;
            return Ok((entry, cluster_bytes));
        };
        match ExtendedL2Entry::decode(self.first, bitmap, context, index)? {
            ExtendedL2Entry::Compressed(stream) => Ok((L2Entry::Compressed(stream), cluster_bytes)),
            ExtendedL2Entry::Standard {
                host,
                copied,
                subclusters,
            } => {
                let bytes = subcluster_bytes(context.cluster_bits);
                let (state, end) = run_at(subclusters, offset / bytes);
                let entry = match (state, host) {
                    (Subcluster::Unallocated, _) => L2Entry::Unallocated,
                    (Subcluster::Zero, host) => L2Entry::Zero { host, copied },
                    (Subcluster::Data, Some(host)) => L2Entry::Data { host, copied },
                    (Subcluster::Data, None) => {
                        let allocated = subclusters.allocated();
                        return Err(Error::SubclustersWithoutHost { index, allocated });
                    }
                };
                Ok((entry, u64::from(end).saturating_mul(bytes)))
            }
        }
    }

    /// The host bytes that entry `index` has a refcount in, and for what: those of
    /// its cluster, though they may not be read, or of the sectors of its stream.
    pub(crate) fn counted(
        self,
        context: &EntryContext,
        index: u64,
    ) -> Result<Option<(Use, Range<u64>)>, Error> {
        let (host, stream) = match self.bitmap {
            None => match L2Entry::decode(self.first, context, index)? {
                L2Entry::Unallocated => (None, None),
                L2Entry::Zero { host, .. } => (host, None),
                L2Entry::Data { host, .. } => (Some(host), None),
                L2Entry::Compressed(stream) => (None, Some(stream)),
            },
            Some(bitmap) => match ExtendedL2Entry::decode(self.first, bitmap, context, index)? {
                ExtendedL2Entry::Standard { host, .. } => (host, None),
                ExtendedL2Entry::Compressed(stream) => (None, Some(stream)),
            },
        };
        let range = |host: HostOffset, bytes| host.0..host.0.saturating_add(bytes);
        let host = host.map(|host| (Use::Data, range(host, context.cluster_bits.bytes())));
        // Guest data in another file has no refcounts.
        let host = host.filter(|_| !context.external_data_file);
        let stream = stream.map(|stream| (Use::Stream, range(stream.host, stream.bytes_max())));
        Ok(host.or(stream))
    }

    /// What entry `index` has stored first of its cluster, and where.
    pub(crate) fn first_stored(
        self,
        context: &EntryContext,
        index: u64,
    ) -> Result<Option<(Structure, HostOffset)>, Error> {
        let mut offset = 0;
        while offset < context.cluster_bits.bytes() {
            let (entry, end) = self.at(offset, context, index)?;
            match entry {
                L2Entry::Data { host, .. } => {
                    let host = HostOffset(host.0.saturating_add(offset));
                    return Ok(Some((Structure::Data, host)));
                }
                L2Entry::Compressed(stream) => return Ok(Some((Structure::Stream, stream.host))),
                L2Entry::Unallocated | L2Entry::Zero { .. } => offset = end,
            }
        }
        Ok(None)
    }
}

/// The state of subcluster `index`, and the end of its run.
fn run_at(subclusters: SubclusterBitmap, index: u64) -> (Subcluster, u32) {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    subclusters
        .runs()
        .find(|(run, _)| run.contains(&index))
        .map_or((Subcluster::Unallocated, u32::MAX), |(run, state)| {
            (state, run.end)
        })
}
