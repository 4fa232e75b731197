//! What the signature of each format is, by hand: where, which bytes, the name the
//! program gives it, and what `blkid -p` says of these bytes alone.

/// Where the bytes go, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Start(u64),
    /// So much before the last multiple of the first number.
    End(u64, u64),
}

impl At {
    pub(super) fn on(self, disk_bytes: u64) -> u64 {
        match self {
            Self::Start(at) => at,
            Self::End(unit, back) => disk_bytes / unit * unit - back,
        }
    }
}

use At::{End, Start};

/// The word of blkid for more than one filesystem.
pub(super) const AMB: &str = "ambivalent";

/// One signature.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) at: At,
    pub(super) bytes: Vec<u8>,
    /// Where in `bytes` the magic is.
    pub(super) magic: u64,
    /// What blkid calls it: a type, or [`AMB`] beside the ext4. After a minus, what
    /// blkid 2.38 wants besides these bytes, which are an ext4 to it.
    pub(super) blkid: &'static str,
}

fn row(name: &'static str, at: At, bytes: &[u8], blkid: &'static str) -> Row {
    Row {
        name,
        at,
        bytes: bytes.to_vec(),
        magic: 0,
        blkid,
    }
}

/// A sector of zeros but for `parts`, of which the first is the magic.
fn sector(name: &'static str, at: At, parts: &[(usize, &[u8])], blkid: &'static str) -> Row {
    let mut row = row(name, at, &[0; 512], blkid);
    for (at, bytes) in parts {
        row.bytes[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    row.magic = u64::try_from(parts[0].0).unwrap();
    row
}

pub(super) fn labels() -> Vec<Row> {
    let entry = |status, kind, start: u32, length: u32| {
        let mut entry = [0; 16];
        (entry[0], entry[4]) = (status, kind);
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&length.to_le_bytes());
        entry
    };
    let mbr = |entries: &[[u8; 16]], blkid| {
        let entries = entries.concat();
        let parts: &[(usize, &[u8])] = &[(510, b"\x55\xaa"), (446, &entries)];
        sector("an MBR partition table", Start(0), parts, blkid)
    };
    let gpt = "a GPT partition table";
    vec![
        mbr(&[entry(0x80, 0x83, 1, 200)], "dos"),
        // Past the end; an entry of type 0 with leftovers; overlapping; from 0 on.
        mbr(&[entry(0, 0x83, 1, 200), entry(0, 0x83, 1 << 20, 9)], "dos"),
        mbr(&[entry(0, 0, 7, 7), entry(0, 0x83, 1, u32::MAX)], "dos"),
        mbr(&[entry(0, 7, 1, 99), entry(0, 7, 1, 99)], "dos"),
        mbr(&[entry(0, 7, 0, 99)], "dos"),
        row(gpt, Start(512), b"EFI PART", "-checksum"),
        row(gpt, Start(4096), b"EFI PART", "-checksum"),
        row(gpt, End(512, 512), b"EFI PART", "-checksum"),
        row(gpt, End(4096, 4096), b"EFI PART", "-checksum"),
        row(
            "an Apple partition map",
            Start(0),
            b"ER\x02\0\0\0\x10\0",
            "-its entries",
        ),
        row(
            "a BSD disk label",
            Start(512),
            b"\x57\x45\x56\x82",
            "-only in an MBR",
        ),
        row(
            "a BSD disk label",
            Start(64),
            b"\x57\x45\x56\x82",
            "-only in an MBR",
        ),
        row(
            "a BSD disk label",
            Start(128),
            b"\x57\x45\x56\x82",
            "-only in an MBR",
        ),
        sector(
            "a Sun disk label",
            Start(0),
            &[(508, b"\xda\xbe"), (510, b"\xda\xbe")],
            "sun",
        ),
        row(
            "an SGI disk label",
            Start(0),
            b"\x0b\xe5\xa9\x41",
            "-checksum",
        ),
        row(
            "a Solaris x86 disk label",
            Start(524),
            b"\xee\xde\x0d\x60",
            "-only in an MBR",
        ),
        row(
            "a UnixWare disk label",
            Start(14_852),
            b"\x0d\x60\x5e\xca",
            "-only in an MBR",
        ),
        row(
            "an Ultrix disk label",
            Start(16_312),
            b"\x57\x29\x03\0",
            "-its entries",
        ),
        row("an AIX disk label", Start(0), b"\xc9\xc2\xd4\xc1", "aix"),
        sector(
            "an Atari partition table",
            Start(0),
            &[
                (0, b""),
                (0x1c2, b"\0\0\x20\0"),
                (0x1c6, b"\x01GEM\0\0\0\x02\0\0\x10\0"),
            ],
            "atari",
        ),
        row(
            "an Amiga rigid disk block",
            Start(0),
            b"RDSK",
            "-not probed",
        ),
        row(
            "an Amiga rigid disk block",
            Start(15 * 512),
            b"RDSK",
            "-not probed",
        ),
        row("a PC-98 partition table", Start(4), b"IPL1", "-not probed"),
        row(
            "a Windows dynamic disk",
            Start(3072),
            b"PRIVHEAD",
            "-not probed",
        ),
        row(
            "a Windows dynamic disk",
            End(512, 512),
            b"PRIVHEAD",
            "-not probed",
        ),
        row(
            "a Windows dynamic disk",
            End(512, 1024),
            b"PRIVHEAD",
            "-not probed",
        ),
    ]
}

pub(super) fn volumes() -> Vec<Row> {
    let mut rows = vec![
        row("LVM2", Start(0), b"LABELONE", "-checksum"),
        row("LVM2", Start(512), b"LABELONE", "-checksum"),
        row("LVM2", Start(1536), b"LABELONE", "-checksum"),
        row(
            "LVM1",
            Start(0),
            b"HM\x01\0\0\0\0\0\0\x04\0\0",
            "LVM1_member",
        ),
        row("LUKS", Start(0), b"LUKS\xba\xbe\0\x01", "crypto_LUKS"),
        row("LUKS", Start(0), b"LUKS\xba\xbe\0\x02", "crypto_LUKS"),
        sector(
            "BitLocker",
            Start(0),
            &[(3, b"-FVE-FS-"), (0, b"\xeb\x52\x90")],
            "BitLocker",
        ),
        sector(
            "BitLocker",
            Start(0),
            &[(3, b"-FVE-FS-"), (0, b"\xeb\x58\x90")],
            "-metadata",
        ),
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
            "-metadata",
        ),
        sector(
            "Apple Core Storage",
            Start(0),
            &[(88, b"CS\x01\0\0\0"), (8, b"\x01\0\x10\0")],
            "-since 2.39",
        ),
        row("dm-integrity", Start(0), b"integrt\0\x01", "DM_integrity"),
        row("dm-verity", Start(0), b"verity\0\0\x01", "DM_verity_hash"),
        row(
            "a dm-snapshot store",
            Start(0),
            b"SnAp\x01\0\0\0\x01\0\0\0",
            AMB,
        ),
        row(
            "bcache",
            Start(4120),
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
            "-checksum",
        ),
        row("Ceph BlueStore", Start(0), b"bluestore block device", AMB),
        row(
            "Stratis",
            Start(516),
            b"!Stra0tis\x86\xff\x02^\x41rh",
            "-checksum",
        ),
        row(
            "Stratis",
            Start(4612),
            b"!Stra0tis\x86\xff\x02^\x41rh",
            "-checksum",
        ),
        row("VDO", Start(0), b"dmvdo001", AMB),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6b", "-sizes"),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6c", "-sizes"),
        row("DRBD", End(4096, 4036), b"\x83\x74\x02\x6d", "-sizes"),
        row("a DRBD proxy log", Start(0), b"DRBDdlh*", AMB),
        row(
            "a DRBD control volume",
            Start(0),
            b"$DRBDmgr=q",
            "-a version",
        ),
        row("Oracle ASM", Start(32), b"ORCLDISK", AMB),
        row(
            "a VMFS volume",
            Start(1 << 20),
            b"\x0d\xd0\x01\xc0",
            "VMFS_volume_member",
        ),
        row("UBI", Start(0), b"UBI#", "ubi"),
        sector(
            "ZFS",
            Start(16 << 10),
            &[(0, b"\x01\x01\0\0\0\0\0\0\0\0\0\x01")],
            "-four uberblocks",
        ),
        sector(
            "ZFS",
            End(1 << 18, 496 << 10),
            &[(0, b"\x01\0\0\0\0\0\0\0\0\0\0\x01")],
            "-four uberblocks",
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
        rows.push(row(
            "LUKS",
            Start(size),
            b"SKUL\xba\xbe\0\x02",
            "crypto_LUKS",
        ));
    }
    for page in [0x1000, 0x2000, 0x4000, 0x8000, 0x1_0000] {
        let at = Start(page - 10);
        rows.push(row("swap space", at, b"SWAPSPACE2", "-version"));
        rows.push(row("swap space", at, b"SWAP-SPACE", AMB));
        let suspended: [(&[u8], _); 5] = [
            (b"S1SUSPEND\0", AMB),
            (b"S2SUSPEND\0", AMB),
            (b"ULSUSPEND\0", AMB),
            (b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c", "-two bytes more"),
            (b"LINHIB0001", AMB),
        ];
        for (magic, blkid) in suspended {
            rows.push(row("a hibernated system", at, magic, blkid));
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
            rows.push(row("ZFS", at, little, "-four uberblocks"));
            rows.push(row("ZFS", at, big, "-four uberblocks"));
        }
    }
    rows
}

pub(super) fn raids() -> Vec<Row> {
    let mut rows = Vec::new();
    for magic in [b"\xfc\x4e\x2b\xa9", b"\xa9\x2b\x4e\xfc"] {
        for at in [Start(0), Start(4096), End(4096, 8192), End(65_536, 65_536)] {
            rows.push(row("Linux RAID", at, magic, "-version"));
        }
    }
    let ddf = "ddf_raid_member";
    for (at, blkid) in [
        (End(512, 512), ddf),
        (End(512, 257 * 512), ddf),
        (End(4096, 4096), "-sectors of 512 bytes"),
    ] {
        rows.push(sector("a DDF RAID", at, &[(0, b"\xde\x11\xde\x11")], blkid));
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
        row(
            "an Intel Matrix RAID",
            End(4096, 8192),
            intel,
            "-sectors of 512 bytes",
        ),
        row(
            "an Adaptec RAID",
            last,
            b"\x37\xfc\x4d\x1e",
            "-a second magic",
        ),
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
        row(
            "an NVIDIA RAID",
            End(512, 1024),
            b"NVIDIA",
            "nvidia_raid_member",
        ),
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
        row("APFS", Start(32), b"NXSB", "-a type"),
        row("bcachefs", Start(4120), bcachefs, "-since 2.39"),
        row("bcachefs", Start(8216), bcachefs, "-since 2.39"),
        row("bcachefs", Start((1 << 20) + 24), bcachefs, "-since 2.39"),
        row("bcachefs", Start((8 << 20) + 24), bcachefs, "-since 2.39"),
        row(
            "bcachefs",
            End(1 << 20, (1 << 20) - 24),
            bcachefs,
            "-since 2.39",
        ),
        row("BeFS", Start(32), b"BFS1", "-a third magic"),
        row("BeFS", Start(544), b"1SFB", "-a third magic"),
        row("SCO BFS", Start(0), b"\xce\xfa\xad\x1b", AMB),
        row("btrfs", Start(0x1_0040), b"_BHRfS_M", AMB),
        row("cramfs", Start(0), b"\x45\x3d\xcd\x28", AMB),
        row("cramfs", Start(512), b"\x28\xcd\x3d\x45", "-not there"),
        row("EROFS", Start(1024), b"\xe2\xe1\xf5\xe0", AMB),
        row("exFAT", Start(3), b"EXFAT   ", AMB),
        row("EXFS", Start(0), b"EXFS", "-sizes"),
        row("F2FS", Start(1024), b"\x10\x20\xf5\xf2", AMB),
        row("F2FS", Start(5120), b"\x10\x20\xf5\xf2", "-not there"),
        sector("FAT", Start(0), &fat, AMB),
        sector("FAT", Start(0), &unnamed, AMB),
        row("GFS or GFS2", k64, b"\x01\x16\x19\x70", "-a version"),
        row("HFS+", Start(1024), b"H+\0\x04", AMB),
        row("HFS+", Start(1024), b"HX\0\x05", AMB),
        row("HPFS", Start(8192), b"\x49\xe8\x95\xf9", "-both sectors"),
        row("HPFS", Start(8704), b"\x49\x18\x91\xf9", "-both sectors"),
        row("ISO 9660", Start(0x8001), b"CD001", "-a version"),
        row("ISO 9660", Start(0x8009), b"CDROM", AMB),
        row("JFFS2", Start(0), b"\x85\x19\x03\x20", "-not probed"),
        row("JFFS2", Start(0), b"\x19\x85\x20\x03", "-not probed"),
        row("JFS", Start(0x8000), b"JFS1", "-sizes"),
        row("mpool", Start(0), b"mpoolDev", "-checksum"),
        sector("NILFS2", End(4096, 4096), &nilfs, "-checksum"),
        row("NetWare NSS", Start(4096), b"SPB5", AMB),
        row("NTFS", Start(3), b"NTFS    ", "-sizes"),
        row("OCFS", Start(8), b"OracleCFS", "-a version"),
        row("ReFS", Start(0), b"\0\0\0ReFS\0", AMB),
        row("Reiser4", k64, b"ReIsEr4", AMB),
        row("ReiserFS", Start(8192 + 52), b"ReIsErFs", "-sizes"),
        row("ReiserFS", Start(8192 + 20), b"ReIsErLB", "-sizes"),
        row("ReiserFS", Start(0x1_0034), b"ReIsErFs", "-sizes"),
        row("ReiserFS", Start(0x1_0034), b"ReIsEr2Fs", "-sizes"),
        row("ReiserFS", Start(0x1_0034), b"ReIsEr3Fs", "-sizes"),
        row("romfs", Start(0), b"-rom1fs-", AMB),
        row(
            "ScoutFS",
            Start(0x1_0004),
            b"\x8b\x42\x3c\x10",
            "-since 2.41",
        ),
        row("SquashFS", Start(0), b"hsqs", AMB),
        row("SquashFS", Start(0), b"sqsh", AMB),
        row("SquashFS", Start(0), b"shsq", "-a version"),
        row("SquashFS", Start(0), b"qshs", "-a version"),
        row("UBIFS", Start(0), b"\x31\x18\x10\x06", AMB),
        row("VMFS", Start(2 << 20), b"\x5e\xf1\xab\x2f", AMB),
        row("VxFS", Start(8192), b"\xa5\x01\xfc\xf5", AMB),
        row(
            "a Xenix filesystem",
            Start(2040),
            b"\x44\x55\x2b\0",
            "-sizes",
        ),
        row("XFS", Start(0), b"XFSB", "-sizes"),
        row("an XFS log", Start(0), b"\xfe\xed\xba\xbe", "-a version"),
        row("zonefs", Start(0), b"SFOZ", AMB),
    ];
    for block in [512, 1024, 2048, 4096] {
        rows.push(row("OCFS2", Start(2 * block), b"OCFSV2", "-a version"));
    }
    for descriptor in [b"BEA01", b"NSR02", b"NSR03", b"TEA01"] {
        for at in [
            0x8001, 0x8801, 0x9001, 0x9801, 0xa001, 0xa801, 0xb001, 0xb801,
        ] {
            rows.push(row("UDF", Start(at), descriptor, "-an anchor"));
        }
    }
    for block in [0, 9, 15, 18] {
        let name = "a System V filesystem";
        let at = Start(block * 1024 + 512 + 504);
        rows.push(row(name, at, b"\x20\x7e\x18\xfd", AMB));
        rows.push(row(name, at, b"\xfd\x18\x7e\x20", AMB));
    }
    let ufs = [
        (0x0001_1954u32, AMB),
        (0x1954_0119, AMB),
        (0x1996_0408, "-not while it is made"),
        (0x0009_5014, AMB),
        (0x0019_5612, AMB),
        (0x0523_1994, AMB),
        (0x0061_2195, AMB),
    ];
    for (magic, blkid) in ufs {
        for at in [0, 8 << 10, 64 << 10, 256 << 10] {
            let at = Start(at + 1372);
            rows.push(row("UFS", at, &magic.to_le_bytes(), blkid));
            rows.push(row("UFS", at, &magic.to_be_bytes(), blkid));
        }
    }
    rows
}
