//! How the map of an image is made.

use crate::crypt::Secret;

/// How an image is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapOptions {
    /// Bytes of L1 and L2 tables, of all layers together, that are kept for the
    /// look-ups to come, in parts of at most 64 KiB; one of those is kept however
    /// small this is. 16 MiB by default, which maps 128 GiB of a disk with
    /// clusters of 64 KiB.
    pub l2_cache_bytes: u64,
    /// The ID of an internal snapshot, or else its name: its disk is mapped, of its
    /// own size, and not the active one.
    pub snapshot: Option<Vec<u8>>,
    /// Map an image that is damaged: what cannot be known of its disk is lost, and no
    /// error. The corrupt bit is not an obstacle.
    pub salvage: bool,
    /// The passphrase of encrypted images: of the one that is opened, and of its
    /// backing files.
    pub secret: Option<Secret>,
}

impl Default for MapOptions {
    fn default() -> Self {
        Self {
            l2_cache_bytes: 16 << 20,
            snapshot: None,
            salvage: false,
            secret: None,
        }
    }
}
