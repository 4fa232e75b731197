//! What `pack` says of the base.

use std::fmt::{self, Display};

use disk_compare::ChangeReport;
use serde::Serialize;

use crate::text::Bytes;

/// What the image leaves to an older one.
#[derive(Debug, Serialize)]
pub(super) struct BaseReport {
    /// The base as it was given.
    path: String,
    /// What the image calls it.
    name: String,
    /// Whether its digests were compared, and it was not read.
    by_index: bool,
    /// Bytes of the disk in clusters that differ.
    changed_bytes: u64,
    /// Bytes of the disk in clusters that became zeros or free.
    zeroed_bytes: u64,
    /// Bytes of the disk in clusters of data that are the same.
    unchanged_bytes: u64,
}

impl BaseReport {
    pub(super) fn new(path: String, name: &[u8], by_index: bool, changes: ChangeReport) -> Self {
        Self {
            path,
            name: String::from_utf8_lossy(name).into_owned(),
            by_index,
            changed_bytes: changes.changed_bytes,
            zeroed_bytes: changes.zeroed_bytes,
            unchanged_bytes: changes.unchanged_bytes,
        }
    }
}

impl Display for BaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "base     {}, called {}{}",
            self.path,
            self.name,
            if self.by_index {
                ", compared by its digests"
            } else {
                ""
            }
        )?;
        writeln!(
            f,
            "changed  {}, and {} became zeros; {} are as they were",
            Bytes(self.changed_bytes),
            Bytes(self.zeroed_bytes),
            Bytes(self.unchanged_bytes)
        )
    }
}
