//! Signatures in the third sector, where ext has its superblock.
//!
//! Nothing of another format fits there beside that of ext, so the tables leave them out.
//! FAT32 reserves the sector and leaves it alone, so it stays sound under such a format.

use super::bytes::{be16, be32};
use super::claim::Claim;
use super::signature::{CHECKED_BYTES, Place, Signature};

const KIB_1: &[Place] = &[Place::Start(1 << 10)];

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::new(Claim::Lvm2, KIB_1, 0, &[b"LABELONE"]),
    // Inside Macintosh: Files, the master directory block.
    Signature::weak(Claim::Hfs, KIB_1, 0, &[b"BD"], hfs),
    // minix_fs.h: versions 1 and 2, with names of 14 and 30 bytes, in both byte orders.
    Signature::new(
        Claim::Minix,
        KIB_1,
        16,
        &[
            b"\x7f\x13",
            b"\x8f\x13",
            b"\x68\x24",
            b"\x78\x24",
            b"\x13\x7f",
            b"\x13\x8f",
            b"\x24\x68",
            b"\x24\x78",
        ],
    ),
    // Version 3.
    Signature::new(Claim::Minix, KIB_1, 24, &[b"\x5a\x4d", b"\x4d\x5a"]),
];

/// Allocation blocks are whole sectors, and there are some.
fn hfs(block: &[u8; CHECKED_BYTES], _: u64) -> bool {
    let bytes = be32(block, 20);
    be16(block, 18) > 0 && bytes > 0 && bytes.is_multiple_of(512)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Found, find_in_boot_area};

    #[test]
    fn formats_in_the_third_sector_are_found() {
        let found = |at: usize, bytes: &[u8]| {
            let mut disk = vec![0; 1 << 16];
            disk[at..at + bytes.len()].copy_from_slice(bytes);
            find_in_boot_area(&disk).unwrap()
        };
        for (claim, at, bytes) in [
            (Claim::Lvm2, 1024, &b"LABELONE"[..]),
            (Claim::Minix, 1040, b"\x8f\x13"),
            (Claim::Minix, 1048, b"\x5a\x4d"),
        ] {
            let place = blockio::len_u64(at);
            assert_eq!(found(at, bytes), Some(Found { claim, at: place }));
        }
        let mut block = [0; 24];
        block[..2].copy_from_slice(b"BD");
        assert_eq!(found(1024, &block), None);
        (block[19], block[22]) = (1, 2);
        assert_eq!(
            found(1024, &block).map(|found| found.claim),
            Some(Claim::Hfs)
        );
    }
}
