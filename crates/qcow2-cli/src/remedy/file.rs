//! Hints for errors of files and devices.

use hostdisk::in_use::InUse;

/// Returns what the user can do about an error of a file or device. An error that
/// `--force` avoids occurs only without `--force`.
pub(crate) fn of_file(error: &hostdisk::Error) -> Option<String> {
    match error {
        hostdisk::Error::Exists { .. } => Some("--force overwrites it".into()),
        hostdisk::Error::InUse { by, .. } => end_of(by),
        hostdisk::Error::Unnameable { .. } => Some(
            "create it on another file system and copy it, or write to - and redirect the output"
                .into(),
        ),
        hostdisk::Error::Changed { .. } => Some(
            "what was given back was free before that; run punch again once nothing else uses it"
                .into(),
        ),
        _ => None,
    }
}

/// Returns how to end a use of a disk.
pub(crate) fn end_of(by: &InUse) -> Option<String> {
    match by {
        InUse::Mounted { .. } | InUse::PartitionMounted { .. } => Some("unmount it first".into()),
        InUse::Loop { device } | InUse::PerhapsLoop { device } => {
            Some(format!("losetup -d /dev/{device} detaches it"))
        }
        InUse::Swap => Some("swapoff stops that".into()),
        InUse::QemuWrites | InUse::QemuReads => Some("stop the virtual machine first".into()),
        InUse::Exclusive => None,
    }
}

/// Returns what else `pack` can do with a source that is in use.
pub(crate) fn for_pack(by: Option<&InUse>, is_device: bool) -> &'static str {
    match by {
        Some(InUse::Mounted { .. }) if is_device => {
            "a snapshot is better, --allow-mounted --freeze packs it while its filesystem is \
             frozen, --allow-mounted alone packs all of it anyway"
        }
        _ => "a snapshot is better, --allow-mounted packs all of it anyway",
    }
}
