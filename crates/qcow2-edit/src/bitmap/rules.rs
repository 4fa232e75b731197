//! The rules for changing a bitmap.

use qcow2_format::bitmap::{BitmapDirectoryEntry, BitmapFlags};
use qcow2_format::limits::BITMAP_BYTES_MAX;

use crate::error::Error;

/// Refuses a number out of range.
pub(super) fn limit(what: &'static str, found: u64, min: u64, max: u64) -> Result<(), Error> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(Error::Limit {
        what,
        found,
        min,
        max,
    })
}

/// Refuses a bitmap of a disk of `size` bytes that would be too long.
pub(super) fn check_length(entry: &BitmapDirectoryEntry, size: u64) -> Result<(), Error> {
    if size == 0 {
        return Err(Error::Unsupported {
            operation: "a bitmap",
            because: "the disk is empty, and QEMU opens no image with a bitmap of that",
        });
    }
    let found = entry.bitmap_bytes(size);
    limit(
        "the length of the bitmap in bytes",
        found,
        0,
        BITMAP_BYTES_MAX,
    )
}

/// Refuses a bitmap that may have missed writes.
pub(super) fn check_trusted(entry: &BitmapDirectoryEntry) -> Result<(), Error> {
    if entry.flags.contains(BitmapFlags::IN_USE) {
        return Err(Error::BitmapInUse {
            name: entry.name.clone(),
        });
    }
    if !entry.extra.is_empty() {
        return Err(Error::Unsupported {
            operation: "to change the bitmap",
            because: "it has extra data of an unknown kind",
        });
    }
    Ok(())
}
