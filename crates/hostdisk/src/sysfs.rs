//! Reads about block devices in sysfs.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{major, makedev, minor};

/// Returns the folder of the block device `device`.
pub(crate) fn folder_of(device: u64) -> Option<PathBuf> {
    let link = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    fs::canonicalize(link).ok()
}

/// Returns the number of the block device with this `folder`.
pub(crate) fn number_of(folder: &Path) -> Option<u64> {
    let line = fs::read_to_string(folder.join("dev")).ok()?;
    let (major, minor) = line.trim_end().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Returns the disk that has the block device `device` as a partition, or `None` if it
/// is not a partition.
pub(crate) fn disk_of(device: u64) -> Option<u64> {
    let folder = folder_of(device)?;
    let is_partition = folder.join("partition").exists();
    number_of(folder.parent().filter(|_| is_partition)?)
}
