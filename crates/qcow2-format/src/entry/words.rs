//! An L2 entry as it is stored, with and without subclusters: one type for both, for
//! those who read tables and those who write them.

use core::ops::Range;

use crate::entry::{EntryContext, L2Entry};
use crate::subcluster::{ExtendedL2Entry, Subcluster, SubclusterBitmap, subcluster_bytes};
use crate::{Error, HostOffset};

/// What a host range is, that an L2 entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// A host cluster.
    Cluster,
    /// The sectors of a compressed stream.
    Stream,
}

/// An L2 entry as it is stored, with or without subclusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Words {
    /// The first word, or the only one.
    pub first: u64,
    /// The second word, of an extended entry.
    pub bitmap: Option<u64>,
}

impl L2Words {
    /// The entries in `table`, which starts with a whole one.
    pub fn all(table: &[u8], extended: bool) -> impl Iterator<Item = Self> {
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
    #[must_use]
    #[inline]
    pub fn is_zero(self) -> bool {
        self.first == 0 && self.bitmap.unwrap_or(0) == 0
    }

    /// What entry `index` says of the bytes from `offset` of its cluster on, and
    /// the offset in the cluster up to which it says the same.
    ///
    /// # Errors
    ///
    /// Those of [`L2Entry::decode`] and [`ExtendedL2Entry::decode`].
    #[inline]
    pub fn at(
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
                let (state, end) = run_at(subclusters, offset.checked_div(bytes).unwrap_or(0));
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

    /// The entry that `bytes` begin with, if they hold one.
    #[must_use]
    pub fn read(bytes: &[u8], extended: bool) -> Option<Self> {
        Self::all(bytes, extended).next()
    }

    /// What entry `index` says of its cluster, as one with subclusters: those of a plain
    /// one are alike.
    ///
    /// # Errors
    ///
    /// Those of [`L2Entry::decode`] and [`ExtendedL2Entry::decode`].
    pub fn decode(self, context: &EntryContext, index: u64) -> Result<ExtendedL2Entry, Error> {
        if let Some(bitmap) = self.bitmap {
            return ExtendedL2Entry::decode(self.first, bitmap, context, index);
        }
        let whole = |allocated, zero| SubclusterBitmap::new(allocated, zero).unwrap_or_default();
        let (host, copied, subclusters) = match L2Entry::decode(self.first, context, index)? {
            L2Entry::Unallocated => (None, false, whole(0, 0)),
            L2Entry::Zero { host, copied } => (host, copied, whole(0, u32::MAX)),
            L2Entry::Data { host, copied } => (Some(host), copied, whole(u32::MAX, 0)),
            L2Entry::Compressed(stream) => return Ok(ExtendedL2Entry::Compressed(stream)),
        };
        Ok(ExtendedL2Entry::Standard {
            host,
            copied,
            subclusters,
        })
    }

    /// The host bytes that entry `index` has a refcount in, and for what: those of
    /// its cluster, though they may not be read, or of the sectors of its stream.
    ///
    /// # Errors
    ///
    /// As [`Self::at`].
    pub fn counted(
        self,
        context: &EntryContext,
        index: u64,
    ) -> Result<Option<(Named, Range<u64>)>, Error> {
        let range = |host: HostOffset, bytes| host.0..host.0.saturating_add(bytes);
        Ok(match self.decode(context, index)? {
            // Guest data in another file has no refcounts.
            ExtendedL2Entry::Standard { host, .. } => host
                .filter(|_| !context.external_data_file)
                .map(|host| (Named::Cluster, range(host, context.cluster_bits.bytes()))),
            ExtendedL2Entry::Compressed(stream) => {
                Some((Named::Stream, range(stream.host, stream.bytes_max())))
            }
        })
    }

    /// What entry `index` has stored first of its cluster, and where.
    ///
    /// # Errors
    ///
    /// As [`Self::at`].
    pub fn first_stored(
        self,
        context: &EntryContext,
        index: u64,
    ) -> Result<Option<(Named, HostOffset)>, Error> {
        let mut offset = 0;
        while offset < context.cluster_bits.bytes() {
            let (entry, end) = self.at(offset, context, index)?;
            match entry {
                L2Entry::Data { host, .. } => {
                    let host = HostOffset(host.0.saturating_add(offset));
                    return Ok(Some((Named::Cluster, host)));
                }
                L2Entry::Compressed(stream) => return Ok(Some((Named::Stream, stream.host))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterBits, Version};

    const CONTEXT: EntryContext = EntryContext {
        cluster_bits: ClusterBits::DEFAULT,
        version: Version::V3,
        external_data_file: false,
    };

    #[test]
    fn a_plain_entry_has_subclusters_that_are_alike() {
        let host = Some(HostOffset(0x5_0000));
        for (first, want) in [
            (0, (None, false, 0, 0)),
            (1, (None, false, 0, u32::MAX)),
            (0x5_0001, (host, false, 0, u32::MAX)),
            (0x8000_0000_0005_0000, (host, true, u32::MAX, 0)),
        ] {
            let words = L2Words::read(&u64::to_be_bytes(first), false).unwrap();
            let decoded = words.decode(&CONTEXT, 0).unwrap();
            let (host, copied, allocated, zero) = want;
            let subclusters = SubclusterBitmap::new(allocated, zero).unwrap();
            let entry = ExtendedL2Entry::Standard {
                host,
                copied,
                subclusters,
            };
            assert_eq!(decoded, entry);
            let (first, bitmap) = entry.encode(CONTEXT.cluster_bits);
            let extended = L2Words {
                first,
                bitmap: Some(bitmap),
            };
            assert_eq!(extended.decode(&CONTEXT, 0), Ok(entry));
        }
    }

    #[test]
    fn an_entry_is_as_long_as_it_is() {
        assert_eq!(L2Words::read(&[0; 15], true), None);
        assert_eq!(L2Words::read(&[0; 7], false), None);
        let words = L2Words::read(&[1; 16], true).unwrap();
        assert_eq!(words.bitmap, Some(words.first));
        assert_eq!(L2Words::all(&[0; 40], true).count(), 2);
    }
}
