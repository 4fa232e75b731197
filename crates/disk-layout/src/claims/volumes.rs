//! What lies below filesystems: volume managers, encryption, block layers; and
//! swap space.

use super::claim::Claim;

use super::signature::{Place, Signature};
use super::weak;

const START: &[Place] = &[Place::Start(0)];

/// The last ten bytes of the first page, of 4 to 64 KiB.
const SWAP_MAGICS: &[Place] = &[
    Place::Start(0x1000 - 10),
    Place::Start(0x2000 - 10),
    Place::Start(0x4000 - 10),
    Place::Start(0x8000 - 10),
    Place::Start(0x1_0000 - 10),
];

/// The sizes of the first header of LUKS2, where the second one begins.
const SECOND_HEADERS: &[Place] = &[
    Place::Start(0x4000),
    Place::Start(0x8000),
    Place::Start(0x1_0000),
    Place::Start(0x2_0000),
    Place::Start(0x4_0000),
    Place::Start(0x8_0000),
    Place::Start(0x10_0000),
    Place::Start(0x20_0000),
    Place::Start(0x40_0000),
];

pub(super) const SIGNATURES: &[Signature] = &[
    // In any of the first four sectors.
    Signature::new(
        Claim::Lvm2,
        &[
            Place::Start(0),
            Place::Start(512),
            Place::Start(1024),
            Place::Start(1536),
        ],
        0,
        &[b"LABELONE"],
    ),
    Signature::weak(Claim::Lvm1, START, 0, &[b"HM"], weak::lvm1),
    // LUKS1 On-Disk Format; LUKS2 On-Disk Format, 2.1: also with hardware OPAL
    // encryption.
    Signature::new(Claim::Luks, START, 0, &[b"LUKS\xba\xbe"]),
    Signature::new(Claim::Luks, SECOND_HEADERS, 0, &[b"SKUL\xba\xbe"]),
    // libbde, BitLocker Drive Encryption format: Vista to 11, and To Go, whose
    // identifier follows what looks like a FAT boot sector.
    Signature::new(Claim::BitLocker, START, 3, &[b"-FVE-FS-"]),
    Signature::new(
        Claim::BitLocker,
        START,
        424,
        &[b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01"],
    ),
    // libfvde, Core Storage volume header.
    Signature::weak(Claim::CoreStorage, START, 88, &[b"CS"], weak::core_storage),
    // The kernel's device-mapper documents.
    Signature::new(Claim::DmIntegrity, START, 0, &[b"integrt\0"]),
    Signature::new(Claim::DmVerity, START, 0, &[b"verity\0\0"]),
    Signature::new(Claim::DmSnapshot, START, 0, &[b"SnAp"]),
    // Documentation/admin-guide/bcache.rst; the journal device has the same.
    Signature::new(
        Claim::Bcache,
        &[Place::Start(0x1000)],
        24,
        &[b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"],
    ),
    Signature::new(Claim::BlueStore, START, 0, &[b"bluestore block device"]),
    // Stratis software design, 6.2.1: in sectors 1 and 9.
    Signature::new(
        Claim::Stratis,
        &[Place::Start(0x200), Place::Start(0x1200)],
        4,
        &[b"!Stra0tis\x86\xff\x02^\x41rh"],
    ),
    Signature::new(Claim::Vdo, START, 0, &[b"dmvdo001"]),
    // Internal metadata: the superblock is the last 4 KiB. The magics of versions
    // 8, 8 unclean since 8.4, and 9.
    Signature::new(
        Claim::Drbd,
        &[Place::End {
            unit: 4096,
            back: 4096,
        }],
        60,
        &[
            b"\x83\x74\x02\x6b",
            b"\x83\x74\x02\x6c",
            b"\x83\x74\x02\x6d",
        ],
    ),
    Signature::new(Claim::DrbdProxy, START, 0, &[b"DRBDdlh*"]),
    Signature::new(Claim::DrbdManage, START, 0, &[b"$DRBDmgr=q"]),
    Signature::new(Claim::OracleAsm, START, 32, &[b"ORCLDISK"]),
    Signature::new(
        Claim::VmfsVolume,
        &[Place::Start(1 << 20)],
        0,
        &[b"\x0d\xd0\x01\xc0"],
    ),
    Signature::new(Claim::Ubi, START, 0, &[b"UBI#"]),
    Signature::new(Claim::Swap, SWAP_MAGICS, 0, &[b"SWAPSPACE2", b"SWAP-SPACE"]),
    // A system that is suspended to disk puts its own there; TuxOnIce the fourth.
    Signature::new(
        Claim::Hibernation,
        SWAP_MAGICS,
        0,
        &[
            b"S1SUSPEND",
            b"S2SUSPEND",
            b"ULSUSPEND",
            b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
            b"LINHIB0001",
        ],
    ),
];
