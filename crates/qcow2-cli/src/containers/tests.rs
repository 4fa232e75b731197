use super::*;

fn ends_of(bytes: &[u8]) -> Ends {
    Ends::read(bytes).unwrap()
}

fn name_of(bytes: &[u8]) -> Option<&'static str> {
    format_of(&ends_of(bytes)).map(|format| format.name)
}

/// A file that begins with `head`, and goes on with zeros.
fn file(head: &[u8]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes.resize(16 << 10, 0);
    bytes
}

/// A file with `bytes` at `at`.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file(&[]);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// A tar header as POSIX has it.
fn tar(name: &str) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A fixed VHD of a disk of 16 KiB.
fn vhd() -> Vec<u8> {
    let mut footer = vec![0; 512];
    footer[..8].copy_from_slice(b"conectix");
    footer[48..56].copy_from_slice(&(16_u64 << 10).to_be_bytes());
    footer[63] = 2;
    let sum: u32 = footer.iter().map(|&byte| u32::from(byte)).sum();
    footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
    [file(&[]), footer].concat()
}

#[test]
fn containers_are_known_by_their_bytes() {
    let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x3f";
    for (name, bytes) in [
        ("a qcow2 image", file(b"QFI\xfb\0\0\0\x02")),
        ("a qcow2 image", file(b"QFI\xfb\0\0\0\x03")),
        ("a qcow2 image", file(b"QFI\xfb\0\0\0\x04")),
        ("a qcow image (version 1)", file(b"QFI\xfb\0\0\0\x01")),
        ("a QED image", file(b"QED\0")),
        ("a VMDK image", file(b"KDMV\x01\0\0\0")),
        ("a VMDK image of ESX", file(b"COWD")),
        (
            "the descriptor of a VMDK image, which names the files with the data",
            b"# Disk DescriptorFile\nversion=1\n".to_vec(),
        ),
        ("a VDI image", with(0x40, b"\x7f\x10\xda\xbe\x01\0\x01\0")),
        ("a VHDX image", file(b"vhdxfile")),
        ("a VHD image", file(b"conectix")),
        ("a VHD image", vhd()),
        ("a Parallels image", file(b"WithoutFreeSpace")),
        ("a Parallels image", file(b"WithouFreSpacExt")),
        ("a Bochs image", file(b"Bochs Virtual HD Image")),
        ("a cloop image", file(b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop")),
        (
            "an Apple disk image (DMG)",
            with((16 << 10) - 512, b"koly\0\0\0\x04\0\0\x02\0\0\0\0\x01"),
        ),
        ("an encrypted Apple disk image (DMG)", file(b"encrcdsa")),
        (
            "an Android sparse image",
            file(b"\x3a\xff\x26\xed\x01\0\0\0\x1c\0\x0c\0"),
        ),
        ("a partclone image", file(b"partclone-image\0")),
        ("a partimage image", file(b"PaRtImAgE-VoLuMe")),
        ("an ntfsclone image", file(b"\0ntfsclone-image")),
        ("an EnCase image (E01)", file(b"EVF\x09\x0d\x0a\xff\0\x01")),
        ("an EnCase image (Ex01)", file(b"EVF2\x0d\x0a\x81\0")),
        (
            "an AFF4 image",
            file(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x15\0\0\0container.description\
                aff4://c215ba20"),
        ),
        ("a WIM archive", file(b"MSWIM\0\0\0\xd0")),
        ("an OVA archive", file(&tar("vm.ovf"))),
        ("a tar archive", file(&tar("disk.raw"))),
        (
            "a zip archive",
            file(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0disk.raw"),
        ),
        ("a zip archive", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
        ("a 7z archive", file(b"7z\xbc\xaf\x27\x1c")),
        ("a RAR archive", file(b"Rar!\x1a\x07\x01\0")),
        ("xz", file(b"\xfd7zXZ\0\0\x04")),
        ("gzip", file(b"\x1f\x8b\x08\x08")),
        ("zstd", file(b"\x28\xb5\x2f\xfd\x04")),
        ("zstd", file(b"\x5e\x2a\x4d\x18\x04\0\0\0")),
        ("bzip2", file(b"BZh91AY&SY")),
        ("bzip2", b"BZh9\x17rE8P\x90\0\0\0\0".to_vec()),
        ("LZ4", file(b"\x04\x22\x4d\x18\x64")),
        ("LZ4", file(b"\x02\x21\x4c\x18")),
        ("lzip", file(b"LZIP\x01\x0c")),
        ("lrzip", file(b"LRZI\0\x06")),
        ("lzop", file(b"\x89LZO\0\x0d\x0a\x1a\x0a")),
        ("LZMA", file(lzma)),
    ] {
        assert_eq!(name_of(&bytes), Some(name));
    }
}

#[test]
fn every_format_of_the_table_is_tried_above() {
    // By its name, at least once: what has no test is not known to be found.
    let text = include_str!("tests.rs");
    for format in FORMATS {
        assert!(text.contains(&format!("\"{}\"", format.name)), "{format:?}");
    }
}

#[test]
fn disks_are_no_containers() {
    let sector = |start: &[u8]| {
        let mut bytes = file(start);
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes
    };
    let mut cases: Vec<_> = [
        // Jumps of boot sectors: FAT12, FAT32, NTFS, exFAT, BitLocker, GRUB.
        &b"\xeb\x3c\x90mkfs.fat"[..],
        b"\xeb\x58\x90MSDOS5.0",
        b"\xe9\x00\x00MSDOS5.0",
        b"\xeb\x52\x90NTFS    ",
        b"\xeb\x76\x90EXFAT   ",
        b"\xeb\x58\x90-FVE-FS-",
        b"\xeb\x63\x90",
        b"\x33\xc0\x8e\xd0\xbc\x00\x7c",
        b"\xfa\xb8\x00\x10\x8e\xd0",
        // As near to short magics as boot code can be.
        b"\x1f\x8b\x07",
        b"\x1f\x8b\x08\xe0",
        b"PK\x90\x90",
        b"PK\x03\x04\xff",
        b"BZh\xeb",
        b"BZh9\xeb\x3c",
        b"\x5d\0\0\x80\x01",
        b"\x5d\0\x33\xc0",
        b"\x40\x2a\x4d\x18",
        b"QFI\xfa",
        b"VDI",
    ]
    .map(sector)
    .into();
    for start in [
        &b"XFSB"[..],
        b"LUKS\xba\xbe",
        b"hsqs",
        b"LABELONE",
        b"NETDEV",
        b"ANDROID!",
    ] {
        cases.push(file(start));
    }
    cases.extend([
        vec![],
        vec![0],
        file(&[]),
        with(0x40, b"\x7f\x10\xda\xbe\xff\xff\xff\xff"),
    ]);
    // What a guest has at the end of its disk.
    let mut longer = vhd();
    longer.splice(..0, vec![0; 512]);
    let mut damaged = vhd();
    damaged[(16 << 10) + 20] ^= 1;
    let mut no_tar = file(&tar("disk.raw"));
    no_tar[3] ^= 1;
    cases.extend([
        longer,
        damaged,
        no_tar,
        with((16 << 10) - 512, b"koly\0\0\0\x05"),
    ]);
    for bytes in cases {
        assert_eq!(
            name_of(&bytes),
            None,
            "{:x?}",
            &bytes[..bytes.len().min(16)]
        );
    }
}

#[test]
fn what_is_no_image_is_told() {
    let look = |bytes: &[u8]| look(&ends_of(bytes)).to_string();
    let raw = |what: &str| {
        format!(
            "it looks like a raw disk with {what}, which needs no unpacking; pack makes an image of it"
        )
    };
    let mut mbr = with(510, &[0x55, 0xaa]);
    assert_eq!(look(&mbr), raw("a boot sector"));
    mbr[446 + 4] = 0x83;
    assert_eq!(look(&mbr), raw("an MBR partition table"));
    mbr[512..520].copy_from_slice(b"EFI PART");
    assert_eq!(look(&mbr), raw("a GPT partition table"));
    for (bytes, said) in [
        (vec![], "it looks like an empty file"),
        (vec![0; 100], "it looks like a file that begins with zeros"),
        (
            b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>404".to_vec(),
            "it looks like an HTML or XML page (a failed download?)",
        ),
        (b"Not Found\n".to_vec(), "it looks like a text file"),
        (
            vec![7; 100],
            "its format is unknown (it begins with 07070707)",
        ),
        (
            file(b"\xfd7zXZ\0"),
            "it looks like xz; extract its contents with `xz -dk FILE`",
        ),
    ] {
        assert_eq!(look(&bytes), said);
    }
    let ext = with(0x438, &[0x53, 0xef]);
    assert_eq!(look(&ext), raw("an ext2, ext3 or ext4 filesystem"));
}
