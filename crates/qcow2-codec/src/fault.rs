//! Faults of compressed streams.

/// What is wrong with a compressed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StreamFault {
    /// The bytes are not valid for the compression of the image.
    #[error("it is damaged after the first {after_bytes} bytes of the cluster")]
    Garbage {
        /// Bytes of the cluster that were decoded before the fault.
        after_bytes: u64,
    },
    /// The stream does not fill its cluster.
    #[error("it ends after {after_bytes} of {cluster_bytes} bytes")]
    Ends {
        /// Bytes of the cluster that were decoded.
        after_bytes: u64,
        /// Cluster size, in bytes.
        cluster_bytes: u64,
    },
    /// The last Zstandard frame of the stream is not at its end when the
    /// cluster is full.
    #[error("it gives more than the {cluster_bytes} bytes of a cluster")]
    TooLong {
        /// Bytes of a cluster.
        cluster_bytes: u64,
    },
}
