//! Finds the devices that files and block devices are on.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, major};

use crate::in_use::{device_below_mount, loop_backing_path};
use crate::sysfs;

/// Returns whether a write to `device` ends on the device `below`.
///
/// `device` is a block device, or the filesystem on one. It may be `below` itself, or
/// rest on it through partitions, loop devices and mappings. Filesystems without a block
/// device, such as overlays, are not followed, and of btrfs only one device is.
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
    let backing = loop_backing_path(device).and_then(|path| device_of(&path));
    let slaves =
        sysfs::folder_of(device).and_then(|folder| fs::read_dir(folder.join("slaves")).ok());
    let slaves = slaves.into_iter().flatten().flatten();
    disk.into_iter()
        .chain(backing)
        .chain(slaves.filter_map(|slave| sysfs::number_of(&slave.path())))
        .collect()
}

/// Returns the device that holds the file at `path`, or the block device that it is.
pub(super) fn device_of(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.file_type().is_block_device() {
        return Some(metadata.rdev());
    }
    Some(below(&metadata, || mount_at(path)))
}

/// Returns the device that holds the open file with `metadata`.
pub(super) fn device_of_open(file: impl AsFd, metadata: &Metadata) -> u64 {
    below(metadata, || mount_of(file))
}

/// The device of a file. Its number is that of its filesystem, which is not always that
/// of a block device.
fn below(metadata: &Metadata, mount: impl FnOnce() -> Option<u64>) -> u64 {
    let device = metadata.dev();
    if major(device) != 0 {
        return device;
    }
    mount().and_then(device_below_mount).unwrap_or(device)
}

/// Returns the number of the mount that `path` is in.
fn mount_at(path: &Path) -> Option<u64> {
    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}

/// Returns the number of the mount that `file` was opened in.
pub(super) fn mount_of(file: impl AsFd) -> Option<u64> {
    let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}
