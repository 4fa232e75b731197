//! An NTFS volume on a disk.

use std::ops::Range;

use blockio::{AllData, Extents, ReadAt, Tiling};

use crate::finding::{Damage, Distrust, Trust};
use crate::map::Map;

/// How to look at a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// What has to prove that a cluster is free.
    pub evidence: Evidence,
}

/// What has to prove that a cluster is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// `$Bitmap`, and that no file refers to the cluster: all file records are read.
    #[default]
    Records,
    /// `$Bitmap` alone.
    Bitmap,
}

/// What a volume says of itself, and how its bytes are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The name of the volume, in UTF-8; empty if there is none, or it cannot be read.
    pub label: Vec<u8>,
    /// The serial number, which others print as 16 hexadecimal digits.
    pub serial: u64,
    /// The version of NTFS, if it is known: 3.1 since Windows XP.
    pub version: Option<(u8, u8)>,
    /// Bytes of the volume from the start of the disk, without the backup boot sector; 0 if
    /// the boot sector is not believed, as the following.
    pub bytes: u64,
    /// Bytes of a sector.
    pub sector_bytes: u64,
    /// Bytes of a cluster.
    pub cluster_bytes: u64,
    /// Clusters.
    pub clusters: u64,
    /// Bytes of a file record.
    pub record_bytes: u64,
    /// Bytes of the disk that are used.
    pub used_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// A volume on a disk; its [`Tiling`] is that of the disk.
#[derive(Debug)]
pub struct Filesystem<R> {
    pub(crate) disk: R,
    pub(crate) info: Info,
    pub(crate) damage: Damage,
    pub(crate) evidence: Evidence,
    pub(crate) map: Result<Map, Distrust>,
}

impl<R: ReadAt> Filesystem<R> {
    /// What the volume says of itself, and how its bytes are used.
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used bytes are known by.
    pub const fn trust(&self) -> Trust {
        match (&self.map, self.evidence) {
            (Ok(_), Evidence::Records) => Trust::Records,
            (Ok(_), Evidence::Bitmap) => Trust::Bitmap,
            (Err(distrust), _) => Trust::Nothing(*distrust),
        }
    }

    /// What is wrong in a volume that is trusted.
    pub const fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The disk that the volume is on.
    pub const fn disk(&self) -> &R {
        &self.disk
    }
}

impl<R: ReadAt> Tiling for Filesystem<R> {
    /// The bitmap is read again for them.
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match &self.map {
            Ok(map) => map.extents(&self.disk, range),
            Err(_) => AllData.extents(range),
        }
    }
}
