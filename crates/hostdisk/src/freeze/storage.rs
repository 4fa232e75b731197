//! Finds the devices that a block device is built on.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::in_use::loop_backing_path;
use crate::sysfs;

/// Returns whether a write to `device` ends on the device `below`.
///
/// `device` is a block device, or the filesystem on one. It may be `below` itself, or
/// rest on it through partitions, loop devices and mappings. Devices that are not in
/// sysfs, such as those of btrfs and overlays, are not followed.
pub(super) fn rests_on(device: u64, below: u64) -> bool {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![device];
    while let Some(device) = ahead.pop() {
        if device == below {
            return true;
        }
        if seen.insert(device) {
            ahead.extend(layer_below(device));
        }
    }
    false
}

/// Returns the devices directly below `device`.
fn layer_below(device: u64) -> Vec<u64> {
    let disk = sysfs::disk_of(device);
    let backing = loop_backing_path(device).and_then(|path| fs::metadata(path).ok());
    let slaves =
        sysfs::folder_of(device).and_then(|folder| fs::read_dir(folder.join("slaves")).ok());
    let slaves = slaves.into_iter().flatten().flatten();
    disk.into_iter()
        .chain(backing.as_ref().map(device_of))
        .chain(slaves.filter_map(|slave| sysfs::number_of(&slave.path())))
        .collect()
}

/// Returns the device that holds a file, or the block device that it is.
pub(super) fn device_of(metadata: &Metadata) -> u64 {
    if metadata.file_type().is_block_device() {
        metadata.rdev()
    } else {
        metadata.dev()
    }
}
