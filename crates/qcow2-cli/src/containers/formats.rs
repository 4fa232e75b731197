//! The table of formats.

use super::archive::{has_checksum, is_deflated, is_lzma, is_tar_of, is_zip};
use super::ends::Ends;
use super::format::Format;

/// All formats, the more specific ones first.
pub(super) static FORMATS: &[Format] = &[
    // Images of virtual machines.
    format(
        QCOW2,
        "qcow2 unpack FILE DISK",
        &[(0, b"QFI\xfb")],
        |ends| ends.be32(4) != 1,
    ),
    format(
        "a qcow image (version 1)",
        CONVERT,
        &[(0, b"QFI\xfb\0\0\0\x01")],
        always,
    ),
    format("a QED image", CONVERT, &[(0, b"QED\0")], always),
    format("a VMDK image", CONVERT, &[(0, b"KDMV")], always),
    format("a VMDK image of ESX", CONVERT, &[(0, b"COWD")], always),
    format(
        "the descriptor of a VMDK image, which names the files with the data",
        CONVERT,
        &[(0, b"# Disk DescriptorFile")],
        always,
    ),
    format(
        "a VDI image",
        CONVERT,
        &[(0x40, &[0x7f, 0x10, 0xda, 0xbe])],
        // Versions 0.1 and 1.1.
        |ends| ends.le32(0x44) >> 16 <= 1,
    ),
    format("a VHDX image", CONVERT, &[(0, b"vhdxfile")], always),
    format("a VHD image", CONVERT, &[], is_vhd),
    format(
        "a Parallels image",
        CONVERT,
        &[(0, b"WithoutFreeSpace")],
        always,
    ),
    format(
        "a Parallels image",
        CONVERT,
        &[(0, b"WithouFreSpacExt")],
        always,
    ),
    format(
        "a Bochs image",
        CONVERT,
        &[(0, b"Bochs Virtual HD Image")],
        always,
    ),
    format(
        "a cloop image",
        CONVERT,
        &[(0, b"#!/bin/sh\n#V2.0 Format\n")],
        always,
    ),
    format("an Apple disk image (DMG)", CONVERT, &[], is_dmg),
    format(
        "an encrypted Apple disk image (DMG)",
        "hdiutil convert FILE -format UDTO -o DISK",
        &[(0, b"encrcdsa")],
        always,
    ),
    // Images of disks by other programs.
    format(
        "an Android sparse image",
        "simg2img FILE DISK",
        &[(0, &[0x3a, 0xff, 0x26, 0xed, 1, 0])],
        always,
    ),
    format(
        "a partclone image",
        "partclone.restore -C -s FILE -o DISK",
        &[(0, b"partclone-image")],
        always,
    ),
    format(
        "a partimage image",
        "partimage restore DISK FILE",
        &[(0, b"PaRtImAgE-VoLuMe")],
        always,
    ),
    format(
        "an ntfsclone image",
        "ntfsclone --restore-image --overwrite DISK FILE",
        &[(0, b"\0ntfsclone-image")],
        always,
    ),
    format(
        "an EnCase image (E01)",
        "ewfexport -f raw -t DISK FILE",
        &[(0, b"EVF\x09\x0d\x0a\xff\0")],
        always,
    ),
    format(
        "an EnCase image (Ex01)",
        "ewfexport -f raw -t DISK FILE",
        &[(0, b"EVF2\x0d\x0a\x81\0")],
        always,
    ),
    format(
        "an AFF4 image",
        "aff4imager -X FILE",
        &[(0, b"PK\x03\x04")],
        |ends| is_zip(ends) && ends.head.windows(7).any(|part| part == b"aff4://"),
    ),
    format("a WIM archive", WIM, &[(0, b"MSWIM\0\0\0")], always),
    format("a WIM archive", WIM, &[(0, b"WLPWM\0\0\0")], always),
    // Archives.
    format(
        "an OVA archive",
        "tar -xf FILE",
        &[(257, b"ustar")],
        |ends| is_tar_of(ends, b".ovf"),
    ),
    format(
        "a tar archive",
        "tar -xf FILE",
        &[(257, b"ustar")],
        |ends| is_tar_of(ends, b""),
    ),
    format("a zip archive", "unzip FILE", &[(0, b"PK")], is_zip),
    format(
        "a 7z archive",
        "7z x FILE",
        &[(0, b"7z\xbc\xaf\x27\x1c")],
        always,
    ),
    format(
        "a RAR archive",
        "unrar x FILE",
        &[(0, b"Rar!\x1a\x07")],
        always,
    ),
    // Compressed files.
    format("xz", "xz -dk FILE", &[(0, b"\xfd7zXZ\0")], always),
    format(
        "gzip",
        "gzip -dk FILE",
        &[(0, b"\x1f\x8b\x08")],
        is_deflated,
    ),
    format("zstd", ZSTD, &[(0, b"\x28\xb5\x2f\xfd")], always),
    // A frame to be skipped, as tools for seeking write it.
    format("zstd", ZSTD, &[(1, b"\x2a\x4d\x18")], |ends| {
        ends.byte(0) & 0xf0 == 0x50
    }),
    format("bzip2", BZIP2, &[(0, b"BZh"), (4, b"1AY&SY")], bzip2_level),
    // An empty one.
    format(
        "bzip2",
        BZIP2,
        &[(0, b"BZh"), (4, b"\x17rE8P\x90")],
        bzip2_level,
    ),
    format("LZ4", LZ4, &[(0, b"\x04\x22\x4d\x18")], always),
    format("LZ4", LZ4, &[(0, b"\x02\x21\x4c\x18")], always),
    format("lzip", "lzip -dk FILE", &[(0, b"LZIP\x01")], always),
    format("lrzip", "lrzip -d FILE", &[(0, b"LRZI")], always),
    format(
        "lzop",
        "lzop -d FILE",
        &[(0, b"\x89LZO\0\x0d\x0a\x1a\x0a")],
        always,
    ),
    format(
        "LZMA",
        "xz -dk --format=lzma FILE",
        &[(0, b"\x5d\0")],
        is_lzma,
    ),
];

/// The name of the format that this program reads itself.
pub(super) const QCOW2: &str = "a qcow2 image";

const CONVERT: &str = "qemu-img convert -O raw FILE DISK";
const ZSTD: &str = "zstd -d FILE";
const BZIP2: &str = "bzip2 -dk FILE";
const LZ4: &str = "lz4 -d FILE";
const WIM: &str = "wimapply FILE 1 DIRECTORY";

const fn format(
    name: &'static str,
    remedy: &'static str,
    magic: &'static [(usize, &'static [u8])],
    check: fn(&Ends) -> bool,
) -> Format {
    Format {
        name,
        remedy,
        magic,
        check,
    }
}

/// Accepts every file that has the magic.
fn always(_: &Ends) -> bool {
    true
}

fn bzip2_level(ends: &Ends) -> bool {
    (b'1'..=b'9').contains(&ends.byte(3))
}

/// Returns whether this is a VHD: its last bytes are the footer of a fixed one, which
/// starts with the disk, or its first bytes are the header of another kind. The
/// footer's checksum must be right, and the file must have the length it states.
fn is_vhd(ends: &Ends) -> bool {
    const FIXED: u32 = 2;
    let footer = Ends {
        head: ends.tail.clone(),
        tail: Vec::new(),
        size: 0,
    };
    if ends.has(0, b"conectix") {
        return true;
    }
    if !footer.has(0, b"conectix") || !has_checksum(&footer.head) {
        return false;
    }
    let disk_bytes = u64::from_be_bytes(footer.array(48));
    let rest = ends.size.saturating_sub(512);
    footer.be32(60) == FIXED && disk_bytes == rest
}

/// Returns whether the last bytes are the trailer of an Apple disk image, version 4.
fn is_dmg(ends: &Ends) -> bool {
    ends.tail.starts_with(b"koly\0\0\0\x04\0\0\x02\0")
}
