//! Partition tables and disk labels, but for the master boot record. Those that
//! are found inside of a partition of one (Minix) have that to claim their disk.

use super::claim::Claim;

use super::signature::{Place, Signature};
use super::weak;

const START: &[Place] = &[Place::Start(0)];

/// The first 16 sectors, of which any may hold it; the third and fourth are the
/// ext superblock.
const RIGID_DISK_BLOCK: &[Place] = &[
    Place::Start(0),
    Place::Start(512),
    Place::Start(4 * 512),
    Place::Start(5 * 512),
    Place::Start(6 * 512),
    Place::Start(7 * 512),
    Place::Start(8 * 512),
    Place::Start(9 * 512),
    Place::Start(10 * 512),
    Place::Start(11 * 512),
    Place::Start(12 * 512),
    Place::Start(13 * 512),
    Place::Start(14 * 512),
    Place::Start(15 * 512),
];

pub(super) const SIGNATURES: &[Signature] = &[
    // UEFI 2.10, 5.3.2: the second sector and the last one, of either size.
    Signature::new(
        Claim::Gpt,
        &[
            Place::Start(512),
            Place::Start(4096),
            Place::sectors_back(1),
            Place::End {
                unit: 4096,
                back: 4096,
            },
        ],
        0,
        &[b"EFI PART"],
    ),
    // Inside Macintosh, Devices, chapter 3. "ER" alone is short.
    Signature::weak(Claim::MacMap, START, 0, &[b"ER"], weak::mac_driver_map),
    // disklabel(5): `d_magic` 0x82564557, in the second sector, and in the first on
    // machines that keep it there.
    Signature::new(
        Claim::BsdLabel,
        &[Place::Start(512), Place::Start(64), Place::Start(128)],
        0,
        &[b"\x57\x45\x56\x82"],
    ),
    // The magic 0xdabe is short, but all words of the sector give 0.
    Signature::weak(
        Claim::SunLabel,
        START,
        508,
        &[b"\xda\xbe"],
        weak::sun_checksum,
    ),
    // Also known as a disk volume header (dvh).
    Signature::new(Claim::SgiLabel, START, 0, &[b"\x0b\xe5\xa9\x41"]),
    // `v_sanity` 0x600ddeee of the VTOC in the second sector.
    Signature::new(
        Claim::SolarisLabel,
        &[Place::Start(512)],
        12,
        &[b"\xee\xde\x0d\x60"],
    ),
    // 0xca5e600d in sector 29.
    Signature::new(
        Claim::UnixwareLabel,
        &[Place::Start(29 * 512)],
        4,
        &[b"\x0d\x60\x5e\xca"],
    ),
    // 0x00032957, 72 bytes before the end of the first 16 KiB.
    Signature::new(
        Claim::UltrixLabel,
        &[Place::Start(16_384 - 72)],
        0,
        &[b"\x57\x29\x03\0", b"\0\x03\x29\x57"],
    ),
    // "IBMA" in EBCDIC.
    Signature::new(Claim::AixLabel, START, 0, &[b"\xc9\xc2\xd4\xc1"]),
    // AHDI 3.00 has no magic at all.
    Signature::weak(Claim::AtariLabel, START, 0, &[b""], weak::atari_root_sector),
    // Amiga ROM Kernel Reference Manual, Devices.
    Signature::new(Claim::AmigaRdb, RIGID_DISK_BLOCK, 0, &[b"RDSK"]),
    Signature::new(Claim::Pc98Label, START, 4, &[b"IPL1"]),
    // The private header of a logical disk manager: in sector 6, and before the last.
    Signature::new(
        Claim::Ldm,
        &[
            Place::Start(6 * 512),
            Place::sectors_back(1),
            Place::sectors_back(2),
        ],
        0,
        &[b"PRIVHEAD"],
    ),
];
