//! Members of RAIDs, most of which are told by the last sectors of the disk.

use super::claim::Claim;

use super::signature::{Place, Signature};
use super::weak;

const LAST_SECTOR: &[Place] = &[Place::sectors_back(1)];

/// How far before the end of the disk a Promise controller may put its sector.
const PROMISE: &[Place] = &[
    Place::sectors_back(63),
    Place::sectors_back(255),
    Place::sectors_back(256),
    Place::sectors_back(16),
    Place::sectors_back(399),
    Place::sectors_back(591),
    Place::sectors_back(675),
    Place::sectors_back(735),
    Place::sectors_back(911),
    Place::sectors_back(974),
    Place::sectors_back(991),
    Place::sectors_back(951),
    Place::sectors_back(3087),
];

pub(super) const SIGNATURES: &[Signature] = &[
    // md(4). Versions 1.1 and 1.2; 1.0: at least 8 KiB from the end, at a multiple
    // of 4 KiB; 0.90: the last whole 64 KiB, in the byte order of its machine.
    Signature::new(
        Claim::Md,
        &[
            Place::Start(0),
            Place::Start(0x1000),
            Place::End {
                unit: 0x1000,
                back: 0x2000,
            },
            Place::End {
                unit: 0x1_0000,
                back: 0x1_0000,
            },
        ],
        0,
        &[b"\xfc\x4e\x2b\xa9", b"\xa9\x2b\x4e\xfc"],
    ),
    // SNIA Common RAID Disk Data Format 2.0, 4.1: the anchor header is in the last
    // sector; some controllers leave 256 sectors after it.
    Signature::new(
        Claim::Ddf,
        &[
            Place::sectors_back(1),
            Place::sectors_back(257),
            Place::End {
                unit: 4096,
                back: 4096,
            },
        ],
        0,
        &[b"\xde\x11\xde\x11", b"\x11\xde\x11\xde"],
    ),
    // The sector before the last, of either size.
    Signature::new(
        Claim::Imsm,
        &[
            Place::sectors_back(2),
            Place::End {
                unit: 4096,
                back: 8192,
            },
        ],
        0,
        &[b"Intel Raid ISM Cfg Sig. "],
    ),
    // The others as in the documents of dmraid.
    Signature::new(Claim::AdaptecRaid, LAST_SECTOR, 0, &[b"\x37\xfc\x4d\x1e"]),
    Signature::new(
        Claim::HighPoint37x,
        &[Place::Start(9 * 512)],
        32,
        &[b"\xf0\x16\x78\x5a", b"\xfd\x16\x78\x5a"],
    ),
    Signature::new(
        Claim::HighPoint45x,
        &[Place::sectors_back(11)],
        0,
        &[b"\xf3\x16\x78\x5a", b"\xfd\x16\x78\x5a"],
    ),
    Signature::weak(Claim::JmicronRaid, LAST_SECTOR, 0, &[b"JM"], weak::jmicron),
    Signature::new(Claim::LsiRaid, LAST_SECTOR, 0, &[b"$XIDE$"]),
    Signature::new(
        Claim::NvidiaRaid,
        &[Place::sectors_back(2)],
        0,
        &[b"NVIDIA"],
    ),
    Signature::new(
        Claim::PromiseRaid,
        PROMISE,
        0,
        &[b"Promise Technology, Inc."],
    ),
    // 0x2f000000 is three zeros and a slash.
    Signature::weak(
        Claim::SiliconRaid,
        LAST_SECTOR,
        0x60,
        &[b"\0\0\0\x2f"],
        weak::silicon,
    ),
    // The same two bytes as at the end of a master boot record.
    Signature::weak(Claim::ViaRaid, LAST_SECTOR, 0, &[b"\x55\xaa"], weak::via),
];
