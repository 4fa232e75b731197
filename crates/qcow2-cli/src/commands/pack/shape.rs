//! How an image is laid out.

use std::path::Path;

use disk_layout::Report;
use qcow2_format::{ClusterBits, Geometry, RefcountOrder};
use qcow2_writer::{Allocation, exact_geometry};

use crate::failure::Failure;
use crate::text::Bytes;

/// Size of clusters, and what is allocated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) geometry: Geometry,
    pub(crate) allocation: Allocation,
}

/// What of the options decides about the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster_size: Option<ClusterBits>,
    pub(crate) refcount_bits: RefcountOrder,
    /// The name of the source for messages.
    pub(crate) source: &'a Path,
}

impl Shape {
    /// The shape of an image of what is needed, in clusters of that size.
    pub(crate) fn plain(cluster_size: Option<ClusterBits>) -> Self {
        Self {
            geometry: Geometry {
                cluster_bits: cluster_size.unwrap_or(ClusterBits::DEFAULT),
                extended_l2: false,
            },
            allocation: Allocation::Needed,
        }
    }

    /// The shape asked for, or with the clusters of the base if there is one; of the metadata of a
    /// filesystem the one that tells every block apart.
    pub(crate) fn new(
        wanted: &Wanted<'_>,
        of_base: Option<ClusterBits>,
        report: &Report,
        disk_bytes: u64,
    ) -> Result<Self, Failure> {
        let Some(unit_bytes) = report.unit_bytes else {
            return Ok(Self::plain(wanted.cluster_size.or(of_base)));
        };
        let geometry = exact_geometry(disk_bytes, unit_bytes, wanted.refcount_bits);
        let geometry = geometry.ok_or_else(|| {
            let message = format!(
                "no image can tell blocks of {} apart on a disk of {}",
                Bytes(unit_bytes),
                Bytes(disk_bytes)
            );
            Failure::because(wanted.source, message)
        })?;
        Ok(Self {
            geometry,
            allocation: Allocation::Exact,
        })
    }
}
