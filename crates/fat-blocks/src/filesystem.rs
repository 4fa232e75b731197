//! A filesystem of the FAT family on a disk.

use std::ops::Range;

use blockio::{AllData, Extents, ReadAt, Tiling};

use crate::clusters::Clusters;
use crate::finding::{Distrust, Finding, Trust};

/// How to look at a disk. There is nothing to choose yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {}

/// What [`detect`](crate::detect()) found.
#[derive(Debug)]
pub enum Detected<R> {
    /// A boot sector of the family; [`Filesystem::trust`] says whether it is believed.
    Fat(Filesystem<R>),
    /// No boot sector of the family.
    Nothing,
}

/// A member of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// FAT12: less than 4085 clusters.
    Fat12,
    /// FAT16: less than 65525 clusters.
    Fat16,
    /// FAT32: no 16-bit length of the FAT.
    Fat32,
    /// exFAT.
    ExFat,
}

/// What a filesystem says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The member of the family; `None` if the boot sector does not tell.
    pub kind: Option<Kind>,
    /// The label: bytes of an unknown code page, or UTF-8 from exFAT; empty if there is
    /// none.
    pub label: Vec<u8>,
    /// The serial number of the volume, which others print as `XXXX-XXXX`; 0 if there is
    /// none.
    pub serial: u32,
    /// Bytes of the filesystem from the start of the disk; 0 if the boot sector does not
    /// tell.
    pub bytes: u64,
    /// Bytes of a sector.
    pub sector_bytes: u32,
    /// Bytes of a cluster; 0 if the boot sector is not believed.
    pub cluster_bytes: u32,
    /// Clusters; 0 if the boot sector is not believed.
    pub clusters: u32,
    /// Bytes of the disk that are used.
    pub used_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// A filesystem on a disk; its [`Tiling`] is that of the disk.
#[derive(Debug)]
pub struct Filesystem<R> {
    pub(crate) disk: R,
    pub(crate) info: Info,
    pub(crate) findings: Vec<Finding>,
    pub(crate) clusters: Result<Clusters, Distrust>,
}

impl<R: ReadAt> Filesystem<R> {
    /// What the filesystem says of itself, and how its bytes are used.
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used bytes are known by.
    pub fn trust(&self) -> Trust {
        match &self.clusters {
            Ok(_) => Trust::Clusters,
            Err(distrust) => Trust::Nothing(*distrust),
        }
    }

    /// What is unusual in a filesystem that is trusted.
    pub fn damage(&self) -> &[Finding] {
        &self.findings
    }

    /// The disk that the filesystem is on.
    pub const fn disk(&self) -> &R {
        &self.disk
    }
}

impl<R: ReadAt> Tiling for Filesystem<R> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match &self.clusters {
            Ok(clusters) => clusters.extents(range, self.disk.size()),
            Err(_) => AllData.extents(range),
        }
    }
}
