//! What became of a disk that was packed.

use crate::image::ImageReport;

/// What became of a packed disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackReport {
    /// Length of the disk in bytes.
    pub disk_bytes: u64,
    /// Bytes of the disk in use, whether they are zeros or not.
    pub used_bytes: u64,
    /// Bytes of the disk in clusters that are stored.
    pub stored_bytes: u64,
    /// Guest clusters that are stored.
    pub stored_clusters: u64,
    /// Those of them that are compressed.
    pub compressed_clusters: u64,
    /// Bytes of the disk whose blocks the image shares.
    pub reflinked_bytes: u64,
    /// Length of the image in bytes.
    pub image_bytes: u64,
}

/// What was stored of a disk.
pub(crate) struct Stored {
    pub(crate) image: ImageReport,
    pub(crate) compressed_clusters: u64,
    pub(crate) reflinked_bytes: u64,
}

impl Stored {
    /// The report on a disk of `disk_bytes` bytes, with `used_bytes` in use.
    pub(crate) fn report(self, disk_bytes: u64, used_bytes: u64) -> PackReport {
        PackReport {
            disk_bytes,
            used_bytes,
            stored_bytes: self.image.stored_bytes,
            stored_clusters: self.image.stored_clusters,
            compressed_clusters: self.compressed_clusters,
            reflinked_bytes: self.reflinked_bytes,
            image_bytes: self.image.image_bytes,
        }
    }
}
