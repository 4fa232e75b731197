//! The signatures of all formats that may claim a disk.
//!
//! A superblock proves nothing about the rest of its disk: a disk formatted
//! whole and partitioned later keeps one with right checksums, and so does the
//! member of a ZFS pool, of which the first 8 KiB are never written. So a disk
//! with the signature of anything else, at either end, is nobody's for certain.
//!
//! The tables hold every signature that libblkid 2.41 knows, by the documents of
//! the formats. They check less than a driver would: no checksum over a
//! structure whose magic has four bytes or more. A false claim keeps more than
//! needed and says so; a missed one loses data.
//!
//! Left out are the signatures of one or two bytes inside of the ext superblock
//! itself (Minix at byte 1040 or 1048, HFS at 1024), but for FAT32, which has no such
//! superblock. Each is in a structure that
//! covers the ext magic at byte 1080, so whoever wrote it later has removed
//! that; and its two bytes are the count of free inodes or of inodes of an ext
//! filesystem: one with 4991 free inodes is no Minix filesystem.

mod boot_area;
mod bytes;
mod claim;
mod filesystems;
mod found;
mod labels;
mod mbr;
mod raids;
mod regions;
mod signature;
mod verity;
mod volumes;
mod weak;
mod zfs;

use blockio::ReadAt;

use crate::error::Error;
pub use claim::Claim;
pub use found::Found;
use regions::{Regions, Unreadable};
use signature::Signature;

/// All signatures at places that only depend on the size of the disk.
const TABLES: [&[Signature]; 4] = [
    labels::SIGNATURES,
    volumes::SIGNATURES,
    raids::SIGNATURES,
    filesystems::SIGNATURES,
];

/// The first claim to `disk` that is found, besides those that are `own` signatures of
/// the content that it would stand against. ext is not among them: nothing is proven free
/// without a superblock, and what is looked for is what stands against it.
///
/// # Errors
///
/// [`Error::Signature`] if a place where a signature may be cannot be read.
pub fn find<R: ReadAt + ?Sized>(disk: &R, own: &[Claim]) -> Result<Option<Found>, Error> {
    Ok(first(disk, own, &mut |_| true)?)
}

/// As [`find`], of those that `counts`. It is asked about each that counts from the end of
/// the disk, where the last partition may have its own.
pub(crate) fn find_counting<R: ReadAt + ?Sized>(
    disk: &R,
    own: &[Claim],
    counts: &mut dyn FnMut(Found) -> bool,
) -> Result<Option<Found>, Error> {
    Ok(first(disk, own, counts)?)
}

fn first<R: ReadAt + ?Sized>(
    disk: &R,
    own: &[Claim],
    counts: &mut dyn FnMut(Found) -> bool,
) -> Result<Option<Found>, Unreadable> {
    let regions = Regions::read(disk);
    let others = TABLES.into_iter().flatten();
    for signature in others.filter(|signature| !own.contains(&signature.claim)) {
        if let Some(found) = signature.find(&regions, counts)? {
            return Ok(Some(found));
        }
    }
    // After GPT, which has one for protection, and after FAT, whose boot sector may
    // hold a table in which it is its own partition.
    if !own.contains(&Claim::Mbr)
        && let Some(found) = mbr::find(&regions)?
    {
        return Ok(Some(found));
    }
    zfs::find(&regions, counts)
}

/// The first claim to `disk` in its third sector, which FAT32 leaves alone.
///
/// # Errors
///
/// [`Error::Signature`] if that sector cannot be read.
pub(crate) fn find_in_boot_area<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Found>, Error> {
    let regions = Regions::read(disk);
    for signature in boot_area::SIGNATURES {
        if let Some(found) = signature.find(&regions, &mut |_| true)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Hashes at the start of `part` that may cover the blocks of another partition.
///
/// # Errors
///
/// [`Error::Signature`] if its start cannot be read.
pub(crate) fn hashes_another<R: ReadAt + ?Sized>(part: &R) -> Result<Option<Found>, Error> {
    Ok(verity::at_start(part)?)
}

/// Hashes that cover the free blocks of a filesystem, which ends `filesystem_bytes`
/// into `disk`: they are right only while those hold what they hold.
///
/// # Errors
///
/// [`Error::Signature`] if a place where their structures may be cannot be read.
pub fn covers_free_blocks<R: ReadAt + ?Sized>(
    disk: &R,
    filesystem_bytes: u64,
) -> Result<Option<Found>, Error> {
    Ok(verity::find(disk, filesystem_bytes)?)
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        Self::Signature {
            offset: unreadable.offset,
            source: unreadable.source,
        }
    }
}
