//! What can be done about an error of a file or device.

use hostdisk::in_use::InUse;

/// What can be done about an error of a file or device, where `--force` was not
/// given if that is what it needs.
pub(crate) fn of_file(error: &hostdisk::Error) -> Option<String> {
    match error {
        hostdisk::Error::Exists { .. } => Some("--force overwrites it".into()),
        hostdisk::Error::InUse { by, .. } => end_of(by),
        hostdisk::Error::Unnameable { .. } => {
            Some("make it elsewhere and copy it, or write it to - and redirect that".into())
        }
        _ => None,
    }
}

/// How a use of a disk ends.
pub(crate) fn end_of(by: &InUse) -> Option<String> {
    match by {
        InUse::Mounted { .. } => Some("unmount it first".into()),
        InUse::Loop { device } | InUse::PerhapsLoop { device } => {
            Some(format!("losetup -d /dev/{device} ends that"))
        }
        InUse::Swap => Some("swapoff ends that".into()),
        InUse::QemuWrites | InUse::QemuReads => Some("stop the virtual machine first".into()),
        InUse::Exclusive => None,
    }
}

/// What else `pack` can do with a source that somebody uses.
pub(crate) fn for_pack(by: Option<&InUse>, is_device: bool) -> &'static str {
    match by {
        Some(InUse::Mounted { .. }) if is_device => {
            "--allow-mounted --freeze packs it while its filesystem holds still, \
             --allow-mounted alone packs all of it all the same, a snapshot is better"
        }
        _ => "--allow-mounted packs all of it all the same, a snapshot is better",
    }
}
