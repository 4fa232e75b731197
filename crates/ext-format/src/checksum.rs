//! CRC-32C as ext4 uses it (no final inversion) and CRC-16 of `gdt_csum`.

use crc::{Algorithm, Crc, Table};

use crate::feature::{Incompat, RoCompat};
use crate::superblock::{SUPERBLOCK_BYTES, Superblock};

/// CRC-32C (Castagnoli), reflected, without the final inversion.
const CRC32C_PLAIN: Algorithm<u32> = Algorithm {
    width: 32,
    poly: 0x1edc_6f41,
    init: 0xffff_ffff,
    refin: true,
    refout: true,
    xorout: 0,
    check: 0x1cf9_6d7c,
    residue: 0,
};

/// CRC-16 (polynomial 0x8005, reflected: 0xa001), starting with all ones.
const CRC16: Algorithm<u16> = Algorithm {
    width: 16,
    poly: 0x8005,
    init: 0xffff,
    refin: true,
    refout: true,
    xorout: 0,
    check: 0x4b37,
    residue: 0,
};

/// CRC-32 of commit blocks in version 1 of a log's checksums: not reflected.
const CRC32_V1: Algorithm<u32> = Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0xffff_ffff,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x0376_e6e7,
    residue: 0,
};

static CRC32C_TABLE: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC32C_PLAIN);
static CRC16_TABLE: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC16);
static CRC32_V1_TABLE: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC32_V1);

/// CRC-32C of `parts`, continued from `seed`.
#[must_use]
pub fn crc32c(seed: u32, parts: &[&[u8]]) -> u32 {
    // The crate takes the start value unreflected; ext4's seeds are reflected.
    let mut digest = CRC32C_TABLE.digest_with_initial(seed.reverse_bits());
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// CRC-16 of `parts`.
fn crc16(parts: &[&[u8]]) -> u16 {
    let mut digest = CRC16_TABLE.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// The CRC-32 of version 1 of a log's checksums, continued from `seed`.
#[must_use]
pub fn crc32_v1(seed: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC32_V1_TABLE.digest_with_initial(seed);
    digest.update(bytes);
    digest.finalize()
}

/// `s_checksum` of a superblock: all bytes before the field, 0x000..0x3fc.
#[must_use]
pub fn superblock(bytes: &[u8; SUPERBLOCK_BYTES]) -> u32 {
    let (covered, _) = bytes.split_at(0x3fc);
    crc32c(u32::MAX, &[covered])
}

/// What the checksums of a filesystem start from: `s_checksum_seed`, or the
/// checksum of `s_uuid`.
#[must_use]
pub fn seed(sb: &Superblock) -> u32 {
    if sb.incompat.contains(Incompat::CSUM_SEED) {
        sb.s_checksum_seed
    } else {
        crc32c(u32::MAX, &[&sb.s_uuid])
    }
}

/// The hash of an attribute's value that is in an inode of its own, which
/// filesystems without other checksums keep, too.
#[must_use]
pub fn attribute_value(seed: u32, value: &[u8]) -> u32 {
    crc32c(seed, &[value])
}

/// The checksums a filesystem keeps, and what they start from.
#[derive(Clone, Copy, Debug)]
pub enum Checksums {
    /// Neither `gdt_csum` nor `metadata_csum`.
    None,
    /// `gdt_csum`: group descriptors only.
    Crc16 {
        /// `s_uuid`.
        uuid: [u8; 16],
    },
    /// `metadata_csum`, which wins where both are set.
    Crc32c {
        /// `s_checksum_seed`, or the checksum of `s_uuid`.
        seed: u32,
    },
}

impl Checksums {
    /// Whether bitmaps have checksums.
    #[must_use]
    pub const fn cover_bitmaps(&self) -> bool {
        matches!(self, Self::Crc32c { .. })
    }

    /// The checksums that the filesystem with this superblock keeps.
    #[must_use]
    pub fn new(sb: &Superblock) -> Self {
        if sb.ro_compat.contains(RoCompat::METADATA_CSUM) {
            Self::Crc32c { seed: seed(sb) }
        } else if sb.ro_compat.contains(RoCompat::GDT_CSUM) {
            Self::Crc16 { uuid: sb.s_uuid }
        } else {
            Self::None
        }
    }

    /// `bg_checksum` as it should be of the descriptor `bytes` of `group`:
    /// everything but the field itself, 0x1e..0x20.
    #[must_use]
    pub fn descriptor(&self, group: u32, bytes: &[u8]) -> Option<u16> {
        let head = bytes.get(..0x1e)?;
        let tail = bytes.get(0x20..)?;
        let group = group.to_le_bytes();
        match self {
            Self::None => None,
            Self::Crc16 { uuid } => Some(crc16(&[uuid, &group, head, tail])),
            Self::Crc32c { seed } => Some(low_half(crc32c(*seed, &[&group, head, &[0; 2], tail]))),
        }
    }

    /// `bg_block_bitmap_csum` or `bg_inode_bitmap_csum` as it should be;
    /// `covered` is the part of the bitmap that has a bit for each cluster, or
    /// inode, of a full group.
    #[must_use]
    pub fn bitmap(&self, covered: &[u8]) -> Option<u32> {
        self.seeded(&[covered])
    }

    /// `i_checksum` as it should be of inode `number`, stored as `bytes`; its
    /// lower 16 bits alone unless the inode has room for the upper ones.
    #[must_use]
    pub fn inode(&self, number: u32, bytes: &[u8], has_high: bool) -> Option<u32> {
        let generation = bytes.get(0x64..0x68)?;
        let number = number.to_le_bytes();
        let seed: [&[u8]; 2] = [&number, generation];
        let zero: &[u8] = &[0; 2];
        if has_high {
            let parts = [
                bytes.get(..0x7c)?,
                zero,
                bytes.get(0x7e..0x82)?,
                zero,
                bytes.get(0x84..)?,
            ];
            self.seeded(&[&seed[..], &parts[..]].concat())
        } else {
            let parts = [bytes.get(..0x7c)?, zero, bytes.get(0x7e..)?];
            self.seeded(&[&seed[..], &parts[..]].concat())
                .map(|crc| crc & 0xffff)
        }
    }

    /// The checksum in the tail of a block of the extent tree of an inode, as
    /// it should be; `covered` is the header with all `eh_max` entries.
    #[must_use]
    pub fn extent_block(&self, number: u32, generation: u32, covered: &[u8]) -> Option<u32> {
        self.seeded(&[&number.to_le_bytes(), &generation.to_le_bytes(), covered])
    }

    /// The checksum in the tail of a block of a directory, as it should be.
    /// `covered` is a leaf without its tail; of an index node the entries, the
    /// first half of the tail, and zeros for the second.
    #[must_use]
    pub fn directory_block(&self, number: u32, generation: u32, covered: &[&[u8]]) -> Option<u32> {
        let (number, generation) = (number.to_le_bytes(), generation.to_le_bytes());
        self.seeded(&[&[&number[..], &generation], covered].concat())
    }

    /// `h_checksum` of the block of extended attributes in `block`, as it
    /// should be: everything but the field itself, 0x10..0x14.
    #[must_use]
    pub fn attribute_block(&self, block: u64, bytes: &[u8]) -> Option<u32> {
        let head = bytes.get(..0x10)?;
        let tail = bytes.get(0x14..)?;
        self.seeded(&[&block.to_le_bytes(), head, &[0; 4], tail])
    }

    /// `mmp_checksum`, as it should be; `covered` is all before the field.
    #[must_use]
    pub fn mmp(&self, covered: &[u8]) -> Option<u32> {
        self.seeded(&[covered])
    }

    fn seeded(&self, parts: &[&[u8]]) -> Option<u32> {
        match self {
            Self::None | Self::Crc16 { .. } => None,
            Self::Crc32c { seed } => Some(crc32c(*seed, parts)),
        }
    }
}

/// Bits 0..16.
fn low_half(crc: u32) -> u16 {
    let [a, b, ..] = crc.to_le_bytes();
    u16::from_le_bytes([a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        // CRC-32/ISCSI of "123456789" is 0xe3069283 with the final inversion.
        assert_eq!(crc32c(u32::MAX, &[b"1234", b"56789"]), !0xe306_9283);
        // CRC-32/MPEG-2.
        assert_eq!(crc32_v1(u32::MAX, b"123456789"), 0x0376_e6e7);
        // CRC-16/MODBUS.
        assert_eq!(crc16(&[b"123", b"456789"]), 0x4b37);
    }

    #[test]
    fn a_seed_continues_a_checksum() {
        let whole = crc32c(u32::MAX, &[b"123456789"]);
        assert_eq!(crc32c(crc32c(u32::MAX, &[b"12345"]), &[b"6789"]), whole);
    }
}
