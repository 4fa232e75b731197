//! What an L2 table says of one guest cluster.
//!
//! Guest bytes are allocated in units: subclusters where L2 entries are extended,
//! else whole clusters. So a cluster has 32 units, or one, which is unit 0.

use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::subcluster::{ExtendedL2Entry, SubclusterBitmap};
use qcow2_format::{EntryContext, Geometry, HostOffset, L2Entry, L2Words, Version};

use crate::error::Error;

/// The unit of a cluster that is one.
const WHOLE: u32 = 1;

/// Where one guest cluster is, as an image of ours says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// It is not compressed, if it is stored at all.
    Cluster(Cluster),
    /// It is compressed.
    Compressed(CompressedDescriptor),
}

/// A cluster that is not compressed. It has a host cluster if, and only if, one of
/// its units holds data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    host: Option<HostOffset>,
    units: SubclusterBitmap,
}

impl Cluster {
    /// A cluster with data at `host`, in some of its `units`.
    pub(crate) fn stored(host: HostOffset, units: SubclusterBitmap) -> Self {
        Self {
            host: Some(host),
            units,
        }
    }

    /// Where its data is.
    pub(crate) fn host(self) -> Option<HostOffset> {
        self.host
    }

    /// The same with data at `host` in `units`, at least one.
    pub(crate) fn with_data(self, host: HostOffset, units: u32) -> Self {
        let data = self.units.allocated() | units;
        Self {
            host: Some(host),
            units: bitmap(data, self.units.zero()),
        }
    }

    /// The same with zeros in those of `units` that hold no data.
    pub(crate) fn with_zeros(self, units: u32) -> Self {
        Self {
            host: self.host,
            units: bitmap(self.units.allocated(), self.units.zero() | units),
        }
    }
}

/// The units with `data`, and of the others those with `zeros`.
pub(crate) fn bitmap(data: u32, zeros: u32) -> SubclusterBitmap {
    SubclusterBitmap::new(data, zeros & !data).unwrap_or_default()
}

impl Mapping {
    /// What `entry`, entry `index` of a table, says; `None` where it was never
    /// written.
    pub(crate) fn decode(entry: &[u8], geometry: Geometry, index: u64) -> Option<Self> {
        let context = EntryContext {
            cluster_bits: geometry.cluster_bits,
            version: Version::V3,
            external_data_file: false,
        };
        let words = L2Words::read(entry, geometry.extended_l2)?;
        let (host, units) = match words.decode(&context, index).ok()? {
            ExtendedL2Entry::Standard {
                host, subclusters, ..
            } => (host, subclusters),
            ExtendedL2Entry::Compressed(stream) => return Some(Self::Compressed(stream)),
        };
        let units = match geometry.extended_l2 {
            true => units,
            false => bitmap(units.allocated() & WHOLE, units.zero() & WHOLE),
        };
        let has_data = units.allocated() != 0;
        (host.is_some() == has_data).then_some(Self::Cluster(Cluster { host, units }))
    }

    /// The words of the entry; the second one is there where entries are extended.
    pub(crate) fn encode(self, geometry: Geometry) -> (u64, u64) {
        let bits = geometry.cluster_bits;
        let Cluster { host, units } = match self {
            Self::Cluster(cluster) => cluster,
            Self::Compressed(stream) => return (L2Entry::Compressed(stream).encode(bits), 0),
        };
        let copied = host.is_some();
        if geometry.extended_l2 {
            let entry = ExtendedL2Entry::Standard {
                host,
                copied,
                subclusters: units,
            };
            return entry.encode(bits);
        }
        let entry = match host {
            Some(host) => L2Entry::Data { host, copied },
            None if units.zero() != 0 => L2Entry::Zero { host, copied },
            None => L2Entry::Unallocated,
        };
        (entry.encode(bits), 0)
    }
}

/// The error for `entry`, entry `index` of the L2 table at `table`, which was read
/// back and never written.
pub(crate) fn never_written(entry: &[u8], table: HostOffset, index: u64) -> Error {
    Error::ChangedBelow {
        table,
        index,
        raw: entry
            .first_chunk()
            .map_or(0, |raw| u64::from_be_bytes(*raw)),
    }
}

#[cfg(test)]
mod tests;
