//! Recognizes files outside any container: disks and text.

use super::ends::Ends;

/// The name of an ext filesystem.
pub(super) const EXT: &str = "an ext2, ext3 or ext4 filesystem";

/// What can be on a disk, with the offset and bytes of its magic.
const ON_DISKS: &[(&str, usize, &[u8])] = &[
    ("a GPT partition table", 512, b"EFI PART"),
    ("a GPT partition table", 4096, b"EFI PART"),
    (EXT, 0x438, &[0x53, 0xef]),
    ("an XFS filesystem", 0, b"XFSB"),
    ("an NTFS filesystem", 3, b"NTFS    "),
    ("an exFAT filesystem", 3, b"EXFAT   "),
    ("BitLocker", 3, b"-FVE-FS-"),
    ("a FAT filesystem", 54, b"FAT1"),
    ("a FAT filesystem", 82, b"FAT32"),
    ("a btrfs filesystem", 0x1_0040, b"_BHRfS_M"),
    ("an ISO 9660 filesystem", 0x8001, b"CD001"),
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM2", 512, b"LABELONE"),
    ("swap space", 4086, b"SWAPSPACE2"),
    ("a squashfs filesystem", 0, b"hsqs"),
    ("an F2FS filesystem", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    ("an EROFS filesystem", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("an APFS container", 32, b"NXSB"),
    ("an HFS+ filesystem", 1024, b"H+"),
];

/// Names what is on the disk, if the file looks like one.
pub(super) fn disk(ends: &Ends) -> Option<&'static str> {
    let mut known = ON_DISKS.iter();
    let found = known.find(|(_, at, magic)| ends.has(*at, magic));
    if let Some((name, ..)) = found {
        return Some(name);
    }
    ends.has(510, &[0x55, 0xaa]).then_some(boot_sector(ends))
}

/// Names a first sector that has the boot signature.
fn boot_sector(ends: &Ends) -> &'static str {
    let entries = [446, 462, 478, 494].map(|at| ends.array::<16>(at));
    let is_entry = |entry: &[u8; 16]| matches!(entry[0], 0 | 0x80);
    let is_used = |entry: &[u8; 16]| entry[4] != 0;
    if entries.iter().all(is_entry) && entries.iter().any(is_used) {
        "an MBR partition table"
    } else {
        "a boot sector"
    }
}

/// Names the kind of text, if the file looks like text.
pub(super) fn text(ends: &Ends) -> Option<&'static str> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
    let start = ends.head.iter().copied().skip_while(|byte| is_space(byte));
    let start: Vec<_> = start
        .take(64)
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    let pages: [&[u8]; 4] = [b"<!doctype html", b"<html", b"<head", b"<?xml"];
    if pages.iter().any(|page| start.starts_with(page)) {
        return Some("an HTML or XML page (a failed download?)");
    }
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    ends.head.iter().all(is_text).then_some("a text file")
}
