//! What an image is, as far as `qcow2 unpack` needs it.

use qcow2_format::Header;
use qcow2_format::feature::IncompatibleFeatures;

/// What restoring and its report need to know of an image.
pub(super) struct Facts {
    pub(super) cluster_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) dirty: bool,
    /// The image is about what it allocates, and about nothing else.
    pub(super) exact_allocation: bool,
    /// Why the image is restored with `--salvage` alone.
    pub(super) damage: Option<String>,
}

impl Facts {
    pub(super) fn new(header: &Header, disk_bytes: u64) -> Self {
        Self {
            cluster_bytes: header.cluster_bits.bytes(),
            disk_bytes,
            dirty: header.incompatible.contains(IncompatibleFeatures::DIRTY),
            exact_allocation: header.exact_allocation_unit_bytes().is_some(),
            damage: None,
        }
    }
}
