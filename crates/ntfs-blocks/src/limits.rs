//! How much of a volume is followed.

/// Most clusters of a volume that are followed: as many as Windows formats.
pub const CLUSTERS_MAX: u64 = (1 << 32) - 1;
/// Most file records that are followed.
pub const RECORDS_MAX: u64 = 1 << 27;
