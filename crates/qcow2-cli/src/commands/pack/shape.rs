//! How an image is laid out.

use disk_layout::Report;
use qcow2_format::{ClusterBits, Geometry};
use qcow2_writer::{Allocation, exact_geometry};

use super::base::Base;
use crate::args::PackArgs;
use crate::failure::Failure;
use crate::text::Bytes;

/// Size of clusters, and what is allocated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) geometry: Geometry,
    pub(super) allocation: Allocation,
}

impl Shape {
    /// The shape asked for, or that of the base if there is one; of the metadata of a
    /// filesystem the one that tells every block apart.
    pub(super) fn new(
        args: &PackArgs,
        base: Option<&Base<'_>>,
        report: &Report,
        disk_bytes: u64,
    ) -> Result<Self, Failure> {
        let of_base = || base.map(|base| base.image().header().cluster_bits);
        let Some(unit_bytes) = report.unit_bytes else {
            return Ok(Self {
                geometry: Geometry {
                    cluster_bits: (args.cluster_size)
                        .or_else(of_base)
                        .unwrap_or(ClusterBits::DEFAULT),
                    extended_l2: false,
                },
                allocation: Allocation::Needed,
            });
        };
        let geometry = exact_geometry(disk_bytes, unit_bytes, args.refcount_bits);
        let geometry = geometry.ok_or_else(|| {
            let message = format!(
                "no image can tell blocks of {} apart on a disk of {}",
                Bytes(unit_bytes),
                Bytes(disk_bytes)
            );
            Failure::because(args.source_name(), message)
        })?;
        Ok(Self {
            geometry,
            allocation: Allocation::Exact,
        })
    }
}
