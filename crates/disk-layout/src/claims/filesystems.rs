//! Filesystems, in the order of their names.

use super::claim::Claim;

use super::signature::{Place, Signature};
use super::weak;

const START: &[Place] = &[Place::Start(0)];
const KIB_1: &[Place] = &[Place::Start(1 << 10)];
const KIB_64: &[Place] = &[Place::Start(64 << 10)];

/// Volume structure descriptors follow each other from 32 KiB on, each in a
/// sector of 2 KiB, or of 4 KiB: ECMA-167, 2/8.4 and 3/9.1.
const DESCRIPTORS: &[Place] = &[
    Place::Start(0x8000),
    Place::Start(0x8800),
    Place::Start(0x9000),
    Place::Start(0x9800),
    Place::Start(0xa000),
    Place::Start(0xa800),
    Place::Start(0xb000),
    Place::Start(0xb800),
    Place::Start(0xc000),
];

/// Where UFS may have its superblock: `SBLOCK_FLOPPY`, `SBLOCK_UFS1`,
/// `SBLOCK_UFS2` and `SBLOCK_PIGGY`.
const UFS: &[Place] = &[
    Place::Start(0),
    Place::Start(8 << 10),
    Place::Start(64 << 10),
    Place::Start(256 << 10),
];

pub(super) const SIGNATURES: &[Signature] = &[
    // Apple File System Reference, `nx_superblock_t`.
    Signature::new(Claim::Apfs, START, 32, &[b"NXSB"]),
    // bcachefs: Principles of Operation, superblock; the first copy follows the
    // first or lies at 1 or 8 MiB, the last ends with the disk.
    Signature::new(
        Claim::Bcachefs,
        &[
            Place::Start(0x1000),
            Place::Start(0x2000),
            Place::Start(1 << 20),
            Place::Start(8 << 20),
            Place::End {
                unit: 1 << 20,
                back: 1 << 20,
            },
        ],
        24,
        &[
            b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
            // Before 2023 that of bcache.
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        ],
    ),
    // "Practical File System Design": 512 bytes after a boot sector on x86.
    Signature::new(
        Claim::Befs,
        &[Place::Start(0), Place::Start(512)],
        32,
        &[b"BFS1", b"1SFB"],
    ),
    Signature::new(Claim::Bfs, START, 0, &[b"\xce\xfa\xad\x1b"]),
    // The copies at 64 MiB and 256 GiB are left when the first is gone, which is
    // where a superblock of ext would be believed.
    Signature::new(Claim::Btrfs, KIB_64, 64, &[b"_BHRfS_M"]),
    Signature::new(
        Claim::Cramfs,
        &[Place::Start(0), Place::Start(512)],
        0,
        &[b"\x45\x3d\xcd\x28", b"\x28\xcd\x3d\x45"],
    ),
    Signature::new(Claim::Erofs, KIB_1, 0, &[b"\xe2\xe1\xf5\xe0"]),
    Signature::new(Claim::Exfat, START, 3, &[b"EXFAT   "]),
    Signature::new(Claim::Exfs, START, 0, &[b"EXFS"]),
    // The superblock, and its copy in the next block.
    Signature::new(
        Claim::F2fs,
        &[Place::Start(1024), Place::Start(4096 + 1024)],
        0,
        &[b"\x10\x20\xf5\xf2"],
    ),
    // Boot loaders leave boot sectors, some with "FAT" in them, before ext.
    Signature::weak(Claim::Fat, START, 0, &[b""], weak::fat),
    Signature::new(Claim::Gfs, KIB_64, 0, &[b"\x01\x16\x19\x70"]),
    // Technical Note TN1150: "H+" of version 4, "HX" of version 5; the superblock
    // of ext has its count of inodes there, so two bytes would not do.
    Signature::new(Claim::HfsPlus, KIB_1, 0, &[b"H+\0\x04", b"HX\0\x05"]),
    // The superblock in sector 16 and the spare block in sector 17.
    Signature::new(
        Claim::Hpfs,
        &[Place::Start(16 * 512)],
        0,
        &[b"\x49\xe8\x95\xf9"],
    ),
    Signature::new(
        Claim::Hpfs,
        &[Place::Start(17 * 512)],
        0,
        &[b"\x49\x18\x91\xf9"],
    ),
    // Before UDF, which has the same descriptors besides its own.
    Signature::new(
        Claim::Udf,
        DESCRIPTORS,
        1,
        &[b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"BOOT2", b"CDW02"],
    ),
    Signature::new(Claim::Iso9660, DESCRIPTORS, 1, &[b"CD001"]),
    // High Sierra.
    Signature::new(Claim::Iso9660, DESCRIPTORS, 9, &[b"CDROM"]),
    // The magic 0x1985 and the types of the nodes an erase block may begin with:
    // clean marker, directory entry, inode, padding, summary.
    Signature::new(
        Claim::Jffs2,
        START,
        0,
        &[
            b"\x85\x19\x03\x20",
            b"\x85\x19\x01\xe0",
            b"\x85\x19\x02\xe0",
            b"\x85\x19\x04\x20",
            b"\x85\x19\x06\x20",
            b"\x19\x85\x20\x03",
            b"\x19\x85\xe0\x01",
            b"\x19\x85\xe0\x02",
            b"\x19\x85\x20\x04",
            b"\x19\x85\x20\x06",
        ],
    ),
    Signature::new(Claim::Jfs, &[Place::Start(32 << 10)], 0, &[b"JFS1"]),
    Signature::new(Claim::Mpool, START, 0, &[b"mpoolDev"]),
    // The first superblock covers that of ext; the second is in the last 4 KiB.
    Signature::weak(
        Claim::Nilfs2,
        &[
            Place::Start(1024),
            Place::End {
                unit: 4096,
                back: 4096,
            },
        ],
        6,
        &[b"\x34\x34"],
        weak::nilfs2,
    ),
    Signature::new(Claim::Nss, &[Place::Start(4096)], 0, &[b"SPB5"]),
    Signature::new(Claim::Ntfs, START, 3, &[b"NTFS    "]),
    Signature::new(Claim::Ocfs, START, 8, &[b"OracleCFS"]),
    // Block 2, of 512 to 4096 bytes.
    Signature::new(
        Claim::Ocfs2,
        &[
            Place::Start(1024),
            Place::Start(2048),
            Place::Start(4096),
            Place::Start(8192),
        ],
        0,
        &[b"OCFSV2"],
    ),
    // libfsrefs, Resilient File System format.
    Signature::new(Claim::Refs, START, 0, &[b"\0\0\0ReFS\0"]),
    Signature::new(Claim::Reiser4, KIB_64, 0, &[b"ReIsEr4"]),
    // Version 3.5 before 3.5.9 had it at 8 KiB.
    Signature::new(
        Claim::Reiserfs,
        &[Place::Start(8 << 10), Place::Start(64 << 10)],
        52,
        &[b"ReIsErFs", b"ReIsEr2Fs", b"ReIsEr3Fs"],
    ),
    Signature::new(
        Claim::Reiserfs,
        &[Place::Start(8 << 10)],
        20,
        &[b"ReIsErLB"],
    ),
    Signature::new(Claim::Romfs, START, 0, &[b"-rom1fs-"]),
    // `SCOUTFS_BLOCK_MAGIC_SUPER` 0x103c428b after the checksum.
    Signature::new(Claim::Scoutfs, KIB_64, 4, &[b"\x8b\x42\x3c\x10"]),
    // Versions 1 to 4, in either byte order; also with LZMA.
    Signature::new(
        Claim::Squashfs,
        START,
        0,
        &[b"hsqs", b"sqsh", b"shsq", b"qshs"],
    ),
    // 0xfd187e20, 504 bytes into the second half of 1 KiB blocks 0, 9, 15 or 18.
    Signature::new(
        Claim::Sysv,
        &[
            Place::Start(512),
            Place::Start(9 * 1024 + 512),
            Place::Start(15 * 1024 + 512),
            Place::Start(18 * 1024 + 512),
        ],
        504,
        &[b"\x20\x7e\x18\xfd", b"\xfd\x18\x7e\x20"],
    ),
    Signature::new(Claim::Ubifs, START, 0, &[b"\x31\x18\x10\x06"]),
    // `fs_magic` of UFS1, UFS2, UFS2 while it is made, with long names, of HP-UX,
    // above 4 GB and secure, in either byte order.
    Signature::new(
        Claim::Ufs,
        UFS,
        1372,
        &[
            b"\x54\x19\x01\0",
            b"\0\x01\x19\x54",
            b"\x19\x01\x54\x19",
            b"\x19\x54\x01\x19",
            b"\x08\x04\x96\x19",
            b"\x19\x96\x04\x08",
            b"\x14\x50\x09\0",
            b"\0\x09\x50\x14",
            b"\x12\x56\x19\0",
            b"\0\x19\x56\x12",
            b"\x94\x19\x23\x05",
            b"\x05\x23\x19\x94",
            b"\x95\x21\x61\0",
            b"\0\x61\x21\x95",
        ],
    ),
    Signature::new(
        Claim::Vmfs,
        &[Place::Start(2 << 20)],
        0,
        &[b"\x5e\xf1\xab\x2f"],
    ),
    // At 8 KiB and big-endian on HP-UX.
    Signature::new(
        Claim::Vxfs,
        &[Place::Start(1024), Place::Start(8192)],
        0,
        &[b"\xf5\xfc\x01\xa5", b"\xa5\x01\xfc\xf5"],
    ),
    Signature::new(
        Claim::Xenix,
        KIB_1,
        1016,
        &[b"\x44\x55\x2b\0", b"\0\x2b\x55\x44"],
    ),
    Signature::new(Claim::Xfs, START, 0, &[b"XFSB"]),
    // An external log.
    Signature::new(Claim::XfsLog, START, 0, &[b"\xfe\xed\xba\xbe"]),
    Signature::new(Claim::Zonefs, START, 0, &[b"SFOZ"]),
];
