//! ZFS: four labels of 256 KiB, two at each end, of which any may be left.

use super::claim::Claim;
use blockio::ReadAt;

use super::found::Found;
use super::regions::{Regions, Unreadable};

const LABEL_BYTES: u64 = 256 << 10;

/// A label begins with 8 KiB that are left alone and 8 KiB of a boot header.
const NVLIST_AT: u64 = 16 << 10;

/// Then 112 KiB of name and value pairs; the rest are uberblocks, each at a
/// multiple of at least 1 KiB.
const UBERBLOCKS_AT: u64 = 128 << 10;
const UBERBLOCK_BYTES: u64 = 1 << 10;

/// 0x00bab10c in 64 bits, in the byte order of the machine that wrote it.
const UBERBLOCK_MAGICS: [[u8; 8]; 2] =
    [0x00ba_b10c_u64.to_le_bytes(), 0x00ba_b10c_u64.to_be_bytes()];

/// Encoded as XDR by a machine of either byte order; then version 0 and the flag
/// for unique names, big-endian.
const NVLIST_MAGICS: [[u8; 12]; 2] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];

/// The first label that is left, or a part of one; of those at the end one that `counts`.
pub(super) fn find<R: ReadAt + ?Sized>(
    regions: &Regions<'_, R>,
    counts: &mut dyn FnMut(Found) -> bool,
) -> Result<Option<Found>, Unreadable> {
    let claim = Claim::Zfs;
    for label in labels(regions.disk_bytes()).into_iter().flatten() {
        let Some(at) = sign(regions, label)? else {
            continue;
        };
        let found = Found { claim, at };
        if label <= LABEL_BYTES || counts(found) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where the first sign of `label` is.
fn sign<R: ReadAt + ?Sized>(
    regions: &Regions<'_, R>,
    label: u64,
) -> Result<Option<u64>, Unreadable> {
    let mut pairs = [0; 12];
    let at = label.saturating_add(NVLIST_AT);
    regions.fill(at, &mut pairs)?;
    if NVLIST_MAGICS.contains(&pairs) {
        return Ok(Some(at));
    }
    uberblock(regions, label)
}

/// Where the first uberblock of `label` is. A pool writes them in turn, so slots
/// that cannot be read matter only if none can.
fn uberblock<R: ReadAt + ?Sized>(
    regions: &Regions<'_, R>,
    label: u64,
) -> Result<Option<u64>, Unreadable> {
    let first = label.saturating_add(UBERBLOCKS_AT);
    let slots = LABEL_BYTES.saturating_sub(UBERBLOCKS_AT) / UBERBLOCK_BYTES;
    let mut unreadable = Ok(None);
    let mut readable = false;
    for slot in 0..slots {
        let at = first.saturating_add(slot.saturating_mul(UBERBLOCK_BYTES));
        let mut magic = [0; 8];
        match regions.fill(at, &mut magic) {
            Ok(()) if UBERBLOCK_MAGICS.contains(&magic) => return Ok(Some(at)),
            Ok(()) => readable = true,
            Err(error) => unreadable = Err(error),
        }
    }
    if readable { Ok(None) } else { unreadable }
}

fn labels(disk_bytes: u64) -> [Option<u64>; 4] {
    let end = disk_bytes & !LABEL_BYTES.saturating_sub(1);
    let back = |count: u64| end.checked_sub(count.saturating_mul(LABEL_BYTES));
    [Some(0), Some(LABEL_BYTES), back(2), back(1)]
}
