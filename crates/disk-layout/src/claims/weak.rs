//! What must hold besides a magic that is short or none, so that boot code and
//! the contents of files are rarely taken for a format. Each is given the first
//! sector of the structure.

use super::bytes::{be16, be32, le16, le32, u8};
use super::signature::CHECKED_BYTES;

type Sector = [u8; CHECKED_BYTES];

/// A FAT boot sector. Boot loaders put code of the same shape before ext: a
/// jump, a name, the signature 0x55aa at its end. But the parameters of a
/// filesystem that must not be zero are zero in theirs.
pub(super) fn fat(sector: &Sector, _: u64) -> bool {
    let named = [(54, &b"FAT"[..]), (82, b"FAT32   ")]
        .iter()
        .any(|(at, name)| sector.get(*at..).is_some_and(|rest| rest.starts_with(name)));
    let jumps = matches!(u8(sector, 0), 0xe9 | 0xeb) && le16(sector, 510) == 0xaa55;
    let sectors = u32::from(le16(sector, 19)).max(le32(sector, 32));
    let table = u32::from(le16(sector, 22)).max(le32(sector, 36));
    let media = u8(sector, 21);
    (named || jumps)
        && matches!(le16(sector, 11), 512 | 1024 | 2048 | 4096)
        && u8(sector, 13).is_power_of_two()
        && le16(sector, 14) > 0
        && u8(sector, 16) > 0
        && (media == 0xf0 || media >= 0xf8)
        && sectors > 0
        && table > 0
}

/// The driver descriptor of an Apple partition map: "ER", then the size and the
/// number of blocks.
pub(super) fn mac_driver_map(sector: &Sector, _: u64) -> bool {
    matches!(be16(sector, 2), 512 | 1024 | 2048 | 4096) && be32(sector, 4) > 0
}

/// The exclusive or of all words of a Sun disk label is 0.
pub(super) fn sun_checksum(sector: &Sector, _: u64) -> bool {
    (0..CHECKED_BYTES)
        .step_by(2)
        .fold(0, |sum, at| sum ^ be16(sector, at))
        == 0
}

/// The root sector of an Atari hard disk: at least one of its four entries is in
/// use and fits a disk of the size that it states, which is not larger than this
/// one, and no entry in use does not.
pub(super) fn atari_root_sector(sector: &Sector, disk_bytes: u64) -> bool {
    let disk_sectors = be32(sector, 0x1c2);
    if disk_sectors == 0 || u64::from(disk_sectors) > disk_bytes / 512 {
        return false;
    }
    let mut used = 0u32;
    for at in [0x1c6, 0x1d2, 0x1de, 0x1ea] {
        let flags = u8(sector, at);
        if flags & 1 == 0 {
            continue;
        }
        let name = sector.get(at.saturating_add(1)..).unwrap_or_default();
        let name = name.get(..3).unwrap_or_default();
        let start = be32(sector, at.saturating_add(4));
        let length = be32(sector, at.saturating_add(8));
        let fits = start
            .checked_add(length)
            .is_some_and(|end| end <= disk_sectors);
        let named = name.iter().all(u8::is_ascii_alphanumeric);
        if !named || start == 0 || length == 0 || !fits {
            return false;
        }
        used = used.saturating_add(1);
    }
    used > 0
}

/// The header of an LVM1 physical volume: version 1 or 2, and its own place and
/// length, which is 1 KiB.
pub(super) fn lvm1(sector: &Sector, _: u64) -> bool {
    matches!(le16(sector, 2), 1 | 2) && le32(sector, 4) == 0 && le32(sector, 8) == 1024
}

/// A Core Storage volume header: version 1, and the only known checksum.
pub(super) fn core_storage(sector: &Sector, _: u64) -> bool {
    le16(sector, 8) == 1 && le32(sector, 90) == 1
}

/// A JMicron sector: its 16-bit words give 0 or, by a known fault, 1.
pub(super) fn jmicron(sector: &Sector, _: u64) -> bool {
    words(sector, 128) <= 1
}

/// A Silicon Image sector: its words up to the checksum give 0 with it.
pub(super) fn silicon(sector: &Sector, _: u64) -> bool {
    words(sector, 0x140) == 0
}

/// A VIA sector: version 0 to 2, and byte 50 is the sum of those before.
pub(super) fn via(sector: &Sector, _: u64) -> bool {
    let covered = sector.get(..50).unwrap_or_default();
    let sum = covered
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    u8(sector, 2) <= 2 && u8(sector, 50) == sum
}

/// A superblock of NILFS2: revision 2, a size that fits the 1 KiB it has, and
/// blocks of at most 64 KiB.
pub(super) fn nilfs2(superblock: &Sector, _: u64) -> bool {
    le32(superblock, 0) == 2
        && (128..=1024).contains(&le16(superblock, 8))
        && le32(superblock, 20) <= 6
}

/// The sum of the little-endian words in the first `length` bytes.
fn words(sector: &Sector, length: usize) -> u16 {
    (0..length)
        .step_by(2)
        .fold(0, |sum: u16, at| sum.wrapping_add(le16(sector, at)))
}
