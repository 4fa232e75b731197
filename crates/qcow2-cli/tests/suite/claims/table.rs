//! Reads `signatures.tsv`, which says what it holds.

/// The word of blkid for more than one filesystem.
pub(super) const AMBIVALENT: &str = "ambivalent";

/// One signature at one place.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Where its structure goes, in bytes.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    /// Where in `bytes` the magic is.
    pub(super) magic: u64,
    pub(super) blkid: &'static str,
}

/// The rows of `section`, for a disk of `disk_bytes`.
pub(super) fn rows(section: &str, disk_bytes: u64) -> Vec<Row> {
    let table = include_str!("signatures.tsv");
    let heading = format!("\n# {section}\n");
    let (_, section) = table.split_once(&heading).unwrap();
    let lines = section.lines().take_while(|line| !line.is_empty());
    lines.flat_map(|line| row(line, disk_bytes)).collect()
}

/// The rows of one line: one for each place.
fn row(line: &'static str, disk_bytes: u64) -> Vec<Row> {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap();
    let (name, places, contents, blkid) = (next(), next(), next(), next());
    let (bytes, magic) = structure(contents);
    places
        .split(' ')
        .map(|place| Row {
            name,
            at: place_on(place, disk_bytes),
            bytes: bytes.clone(),
            magic,
            blkid,
        })
        .collect()
}

/// `0x200`, or `end/512-1024`: 1024 before the last multiple of 512.
fn place_on(place: &str, disk_bytes: u64) -> u64 {
    let Some(place) = place.strip_prefix("end/") else {
        return u64::from_str_radix(&place[2..], 16).unwrap();
    };
    let (unit, back) = place.split_once('-').unwrap();
    let (unit, back): (u64, u64) = (unit.parse().unwrap(), back.parse().unwrap());
    disk_bytes / unit * unit - back
}

/// Bytes and where in them the magic is: all in hex, or `sector@MAGIC` and parts
/// with their offsets.
fn structure(contents: &str) -> (Vec<u8>, u64) {
    let Some(sector) = contents.strip_prefix("sector@") else {
        return (hex(contents), 0);
    };
<<<<<<< HEAD
    let gpt = "a GPT partition table";
    vec![
        mbr(&[entry(0x80, 0x83, 1, 200)], "dos"),
        // Past the end; an entry of type 0 with leftovers; overlapping; from 0 on.
        mbr(&[entry(0, 0x83, 1, 200), entry(0, 0x83, 1 << 20, 9)], "dos"),
        mbr(&[entry(0, 0, 7, 7), entry(0, 0x83, 1, u32::MAX)], "dos"),
        mbr(&[entry(0, 7, 1, 99), entry(0, 7, 1, 99)], "dos"),
        mbr(&[entry(0, 7, 0, 99)], "dos"),
        row(gpt, Start(512), b"EFI PART", ""),
        row(gpt, Start(4096), b"EFI PART", ""),
        row(gpt, End(512, 512), b"EFI PART", ""),
        row(gpt, End(4096, 4096), b"EFI PART", ""),
        row(
            "an Apple partition map",
            Start(0),
            b"ER\x02\0\0\0\x10\0",
            "",
        ),
        row("a BSD disk label", Start(512), b"\x57\x45\x56\x82", "bsd"),
        row("a BSD disk label", Start(64), b"\x57\x45\x56\x82", "bsd"),
        row("a BSD disk label", Start(128), b"\x57\x45\x56\x82", "bsd"),
        sector(
            "a Sun disk label",
            Start(0),
            &[(508, b"\xda\xbe"), (510, b"\xda\xbe")],
            "",
        ),
        row("an SGI disk label", Start(0), b"\x0b\xe5\xa9\x41", ""),
        row(
            "a Solaris x86 disk label",
            Start(524),
            b"\xee\xde\x0d\x60",
            "",
        ),
        row(
            "a UnixWare disk label",
            Start(14_852),
            b"\x0d\x60\x5e\xca",
            "",
        ),
        row("an Ultrix disk label", Start(16_312), b"\x57\x29\x03\0", ""),
        row("an AIX disk label", Start(0), b"\xc9\xc2\xd4\xc1", "aix"),
        sector(
            "an Atari partition table",
            Start(0),
            &[
                (0, b""),
                (0x1c2, b"\0\0\x20\0"),
                (0x1c6, b"\x01GEM\0\0\0\x02\0\0\x10\0"),
            ],
            "",
        ),
        row("an Amiga rigid disk block", Start(0), b"RDSK", ""),
        row("an Amiga rigid disk block", Start(15 * 512), b"RDSK", ""),
        row("a PC-98 partition table", Start(4), b"IPL1", ""),
        row("a Windows dynamic disk", Start(3072), b"PRIVHEAD", ""),
        row("a Windows dynamic disk", End(512, 512), b"PRIVHEAD", ""),
        row("a Windows dynamic disk", End(512, 1024), b"PRIVHEAD", ""),
    ]
}

pub(super) fn volumes() -> Vec<Row> {
    let mut rows = vec![
        row("LVM2", Start(0), b"LABELONE", ""),
        row("LVM2", Start(512), b"LABELONE", ""),
        row("LVM2", Start(1536), b"LABELONE", ""),
        row(
            "LVM1",
            Start(0),
            b"HM\x01\0\0\0\0\0\0\x04\0\0",
            "LVM1_member",
        ),
        row("LUKS", Start(0), b"LUKS\xba\xbe\0\x01", "crypto_LUKS"),
        row("LUKS", Start(0), b"LUKS\xba\xbe\0\x02", "crypto_LUKS"),
        row("BitLocker", Start(0), b"\xeb\x52\x90-FVE-FS-", ""),
        row("BitLocker", Start(0), b"\xeb\x58\x90-FVE-FS-", ""),
        sector(
            "BitLocker",
            Start(0),
            &[
                (
                    424,
                    b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01",
                ),
                (0, b"\xeb\x58\x90MSWIN4.1"),
            ],
            "",
        ),
        sector(
            "Apple Core Storage",
            Start(0),
            &[(88, b"CS\x01\0\0\0"), (8, b"\x01\0\x10\0")],
            "",
        ),
        row("dm-integrity", Start(0), b"integrt\0\x01", "DM_integrity"),
        row("dm-verity", Start(0), b"verity\0\0\x01", "DM_verity_hash"),
        row(
            "a dm-snapshot store",
            Start(0),
            b"SnAp\x01\0\0\0\x01\0\0\0",
            "DM_snapshot_cow",
        ),
        row(
            "bcache",
            Start(4120),
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
            "",
        ),
        row(
            "Ceph BlueStore",
            Start(0),
            b"bluestore block device",
            "ceph_bluestore",
        ),
        row("Stratis", Start(516), b"!Stra0tis\x86\xff\x02^\x41rh", ""),
        row("Stratis", Start(4612), b"!Stra0tis\x86\xff\x02^\x41rh", ""),
        row("VDO", Start(0), b"dmvdo001", "vdo"),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6b", ""),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6c", ""),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6d", ""),
        row("a DRBD proxy log", Start(0), b"DRBDdlh*", ""),
        row("a DRBD control volume", Start(0), b"$DRBDmgr=q", ""),
        row("Oracle ASM", Start(32), b"ORCLDISK", "oracleasm"),
        row(
            "a VMFS volume",
            Start(1 << 20),
            b"\x0d\xd0\x01\xc0",
            "VMFS_volume_member",
        ),
        row("UBI", Start(0), b"UBI#", ""),
        sector(
            "ZFS",
            Start(16 << 10),
            &[(0, b"\x01\x01\0\0\0\0\0\0\0\0\0\x01")],
            "",
        ),
        sector(
            "ZFS",
            End(1 << 18, 496 << 10),
            &[(0, b"\x01\0\0\0\0\0\0\0\0\0\0\x01")],
            "",
        ),
    ];
    for size in [
        0x4000,
        0x8000,
        0x1_0000,
        0x2_0000,
        0x4_0000,
        0x8_0000,
        1 << 20,
        2 << 20,
        4 << 20,
    ] {
        rows.push(row("LUKS", Start(size), b"SKUL\xba\xbe\0\x02", ""));
    }
    for page in [0x1000, 0x2000, 0x4000, 0x8000, 0x1_0000] {
        let at = Start(page - 10);
        rows.push(row("swap space", at, b"SWAPSPACE2", ""));
        rows.push(row("swap space", at, b"SWAP-SPACE", ""));
        let suspended: [&[u8]; 5] = [
            b"S1SUSPEND\0",
            b"S2SUSPEND\0",
            b"ULSUSPEND\0",
            b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
            b"LINHIB0001",
        ];
        for magic in suspended {
            rows.push(row("a hibernated system", at, magic, ""));
        }
    }
    // Uberblocks: the first and the last slot of each label, either byte order.
    let (little, big) = (b"\x0c\xb1\xba\0\0\0\0\0", b"\0\0\0\0\0\xba\xb1\x0c");
    for slot in [128 << 10, 255 << 10] {
        for at in [
            Start(slot),
            Start((256 << 10) + slot),
            End(1 << 18, (512 << 10) - slot),
            End(1 << 18, (256 << 10) - slot),
        ] {
            rows.push(row("ZFS", at, little, ""));
            rows.push(row("ZFS", at, big, ""));
        }
    }
    rows
}

pub(super) fn raids() -> Vec<Row> {
    let mut rows = Vec::new();
    for magic in [b"\xfc\x4e\x2b\xa9", b"\xa9\x2b\x4e\xfc"] {
        for at in [Start(0), Start(4096), End(4096, 8192), End(65_536, 65_536)] {
            rows.push(row("Linux RAID", at, magic, ""));
        }
    }
    for at in [End(512, 512), End(512, 257 * 512), End(4096, 4096)] {
        rows.push(row("a DDF RAID", at, b"\xde\x11\xde\x11", ""));
    }
    let intel = b"Intel Raid ISM Cfg Sig. 1.3.00";
    let promise = b"Promise Technology, Inc.";
    for back in [
        63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087,
    ] {
        let blkid = "promise_fasttrack_raid_member";
        rows.push(row(
            "a Promise FastTrak RAID",
            End(512, 512 * back),
            promise,
            blkid,
        ));
    }
    // Words that give 0: "JM" is 0x4d4a. The slash is 0x2f00.
    let rest = (0x4d4au16).wrapping_neg().to_le_bytes();
    let slash = (0x2f00u16).wrapping_neg().to_le_bytes();
    let last = End(512, 512);
    rows.extend([
        row(
            "an Intel Matrix RAID",
            End(512, 1024),
            intel,
            "isw_raid_member",
        ),
        row("an Intel Matrix RAID", End(4096, 8192), intel, ""),
        row("an Adaptec RAID", last, b"\x37\xfc\x4d\x1e", ""),
        row(
            "a HighPoint 37x RAID",
            Start(4640),
            b"\xf0\x16\x78\x5a",
            "hpt37x_raid_member",
        ),
        row(
            "a HighPoint 37x RAID",
            Start(4640),
            b"\xfd\x16\x78\x5a",
            "hpt37x_raid_member",
        ),
        row(
            "a HighPoint 45x RAID",
            End(512, 11 * 512),
            b"\xf3\x16\x78\x5a",
            "hpt45x_raid_member",
        ),
        row(
            "a HighPoint 45x RAID",
            End(512, 11 * 512),
            b"\xfd\x16\x78\x5a",
            "hpt45x_raid_member",
        ),
        sector(
            "a JMicron RAID",
            last,
            &[(0, b"JM"), (4, &rest)],
            "jmicron_raid_member",
        ),
        row("an LSI MegaRAID", last, b"$XIDE$", "lsi_mega_raid_member"),
        row("an NVIDIA RAID", End(512, 1024), b"NVIDIA", ""),
        sector(
            "a Silicon Image RAID",
            last,
            &[(0x60, b"\0\0\0\x2f"), (0x13e, &slash)],
            "silicon_medley_raid_member",
        ),
        sector(
            "a VIA RAID",
            last,
            &[(0, b"\x55\xaa"), (50, b"\xff")],
            "via_raid_member",
        ),
    ]);
    rows
}

pub(super) fn filesystems() -> Vec<Row> {
    let bcachefs = b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";
    let fat: [(usize, &[u8]); 6] = [
        (0, b"\xeb\x3c\x90"),
        (11, b"\0\x02\x04\x01\0\x02\0\x02\0\x60\xf8\x18\0"),
        (54, b"FAT16   "),
        (510, b"\x55\xaa"),
        (0, b""),
        (0, b""),
    ];
    let mut unnamed = fat;
    unnamed[2] = (54, b"");
    let nilfs: [(usize, &[u8]); 3] = [(6, b"\x34\x34"), (0, b"\x02\0\0\0"), (8, b"\x18\x01")];
    let k64 = Start(0x1_0000);
    let mut rows = vec![
        row("APFS", Start(32), b"NXSB", ""),
        row("bcachefs", Start(4120), bcachefs, ""),
        row("bcachefs", Start(8216), bcachefs, ""),
        row("bcachefs", Start((1 << 20) + 24), bcachefs, ""),
        row("bcachefs", Start((8 << 20) + 24), bcachefs, ""),
        row("bcachefs", End(1 << 20, (1 << 20) - 24), bcachefs, ""),
        row("BeFS", Start(32), b"BFS1", ""),
        row("BeFS", Start(544), b"1SFB", ""),
        row("SCO BFS", Start(0), b"\xce\xfa\xad\x1b", "bfs"),
        row("btrfs", Start(0x1_0040), b"_BHRfS_M", ""),
        row("cramfs", Start(0), b"\x45\x3d\xcd\x28", ""),
        row("cramfs", Start(512), b"\x28\xcd\x3d\x45", ""),
        row("EROFS", Start(1024), b"\xe2\xe1\xf5\xe0", ""),
        row("exFAT", Start(3), b"EXFAT   ", ""),
        row("EXFS", Start(0), b"EXFS", ""),
        row("F2FS", Start(1024), b"\x10\x20\xf5\xf2", ""),
        row("F2FS", Start(5120), b"\x10\x20\xf5\xf2", ""),
        sector("FAT", Start(0), &fat, "vfat"),
        sector("FAT", Start(0), &unnamed, "vfat"),
        row("GFS or GFS2", k64, b"\x01\x16\x19\x70", ""),
        row("HFS+", Start(1024), b"H+\0\x04", ""),
        row("HFS+", Start(1024), b"HX\0\x05", ""),
        row("HPFS", Start(8192), b"\x49\xe8\x95\xf9", ""),
        row("HPFS", Start(8704), b"\x49\x18\x91\xf9", ""),
        row("ISO 9660", Start(0x8001), b"CD001", ""),
        row("ISO 9660", Start(0x8009), b"CDROM", ""),
        row("JFFS2", Start(0), b"\x85\x19\x03\x20", ""),
        row("JFFS2", Start(0), b"\x19\x85\x20\x03", ""),
        row("JFS", Start(0x8000), b"JFS1", ""),
        row("mpool", Start(0), b"mpoolDev", ""),
        sector("NILFS2", End(4096, 4096), &nilfs, ""),
        row("NetWare NSS", Start(4096), b"SPB5", "nss"),
        row("NTFS", Start(3), b"NTFS    ", ""),
        row("OCFS", Start(8), b"OracleCFS", "ocfs"),
        row("ReFS", Start(0), b"\0\0\0ReFS\0", "ReFS"),
        row("Reiser4", k64, b"ReIsEr4", "reiser4"),
        row("ReiserFS", Start(8192 + 52), b"ReIsErFs", ""),
        row("ReiserFS", Start(8192 + 20), b"ReIsErLB", ""),
        row("ReiserFS", Start(0x1_0034), b"ReIsErFs", ""),
        row("ReiserFS", Start(0x1_0034), b"ReIsEr2Fs", ""),
        row("ReiserFS", Start(0x1_0034), b"ReIsEr3Fs", ""),
        row("romfs", Start(0), b"-rom1fs-", "romfs"),
        row("ScoutFS", Start(0x1_0004), b"\x8b\x42\x3c\x10", ""),
        row("SquashFS", Start(0), b"hsqs", ""),
        row("SquashFS", Start(0), b"sqsh", ""),
        row("SquashFS", Start(0), b"shsq", ""),
        row("SquashFS", Start(0), b"qshs", ""),
        row("UBIFS", Start(0), b"\x31\x18\x10\x06", "ubifs"),
        row("VMFS", Start(2 << 20), b"\x5e\xf1\xab\x2f", "VMFS"),
        row("VxFS", Start(8192), b"\xa5\x01\xfc\xf5", "vxfs"),
        row("a Xenix filesystem", Start(2040), b"\x44\x55\x2b\0", ""),
        row("XFS", Start(0), b"XFSB", ""),
        row("an XFS log", Start(0), b"\xfe\xed\xba\xbe", ""),
        row("zonefs", Start(0), b"SFOZ", ""),
    ];
    for block in [512, 1024, 2048, 4096] {
        rows.push(row("OCFS2", Start(2 * block), b"OCFSV2", "ocfs2"));
    }
    for descriptor in [b"BEA01", b"NSR02", b"NSR03", b"TEA01"] {
        for at in [
            0x8001, 0x8801, 0x9001, 0x9801, 0xa001, 0xa801, 0xb001, 0xb801,
        ] {
            rows.push(row("UDF", Start(at), descriptor, ""));
        }
    }
    for block in [0, 9, 15, 18] {
        let name = "a System V filesystem";
        let at = Start(block * 1024 + 512 + 504);
        rows.push(row(name, at, b"\x20\x7e\x18\xfd", "sysv"));
        rows.push(row(name, at, b"\xfd\x18\x7e\x20", "sysv"));
    }
    let ufs: [[u8; 4]; 7] = [
        0x0001_1954,
        0x1954_0119,
        0x1996_0408,
        0x0009_5014,
        0x0019_5612,
        0x0523_1994,
        0x0061_2195,
    ]
    .map(u32::to_le_bytes);
    for magic in ufs {
        for at in [0, 8 << 10, 64 << 10, 256 << 10] {
            rows.push(row("UFS", Start(at + 1372), &magic, ""));
            let mut swapped = magic;
            swapped.reverse();
            rows.push(row("UFS", Start(at + 1372), &swapped, ""));
        }
    }
    rows
=======
    let mut parts = sector.split(' ');
    let magic = parts.next().unwrap().parse().unwrap();
    let mut bytes = vec![0; 512];
    for part in parts {
        let (at, part) = part.split_once(':').unwrap();
        let (at, part): (usize, _) = (at.parse().unwrap(), hex(part));
        bytes[at..at + part.len()].copy_from_slice(&part);
    }
    (bytes, magic)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
>>>>>>> claims
}
