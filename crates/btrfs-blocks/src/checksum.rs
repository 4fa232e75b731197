//! The checksums of superblocks and tree blocks.

use std::fmt;

use blake2::Blake2b256;
use crc::{CRC_32_ISCSI, Crc, Table};
use sha2::{Digest, Sha256};
use twox_hash::XxHash64;

use crate::bytes::{array, le16};

/// Bytes that a checksum has room for, at the start of what it covers.
pub(crate) const CHECKSUM_BYTES: usize = 32;

const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The kinds of checksums. Shorter ones than 32 bytes are followed by zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    Crc32c,
    XxHash64,
    Sha256,
    Blake2b,
}

impl Checksum {
    /// The kind that a superblock names at byte 0xc4.
    pub(crate) fn of_superblock(superblock: &[u8]) -> Result<Self, u16> {
        match le16(superblock, 0xc4) {
            0 => Ok(Self::Crc32c),
            1 => Ok(Self::XxHash64),
            2 => Ok(Self::Sha256),
            3 => Ok(Self::Blake2b),
            unknown => Err(unknown),
        }
    }

    /// The checksum of `bytes`, and how many bytes of it count.
    fn of(self, bytes: &[u8]) -> ([u8; CHECKSUM_BYTES], usize) {
        let mut sum = [0; CHECKSUM_BYTES];
        let length = match self {
            Self::Crc32c => put(&mut sum, &CRC32C.checksum(bytes).to_le_bytes()),
            Self::XxHash64 => put(&mut sum, &XxHash64::oneshot(0, bytes).to_le_bytes()),
            Self::Sha256 => put(&mut sum, &Sha256::digest(bytes)),
            Self::Blake2b => put(&mut sum, &Blake2b256::digest(bytes)),
        };
        (sum, length)
    }

    /// Whether `block` begins with the checksum of what follows it.
    pub(crate) fn is_right(self, block: &[u8]) -> bool {
        let Some((stored, bytes)) = block.split_at_checked(CHECKSUM_BYTES) else {
            return false;
        };
        let (sum, length) = self.of(bytes);
        let stored: [u8; CHECKSUM_BYTES] = array(stored, 0);
        stored.iter().zip(sum).take(length).all(|(a, b)| *a == b)
    }
}

fn put(sum: &mut [u8; CHECKSUM_BYTES], bytes: &[u8]) -> usize {
    for (to, from) in sum.iter_mut().zip(bytes) {
        *to = *from;
    }
    bytes.len()
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc32c => "crc32c",
            Self::XxHash64 => "xxhash64",
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(kind: Checksum) -> String {
        let (sum, length) = kind.of(b"123456789");
        sum[..length].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Of "123456789", as published for each kind.
    #[test]
    fn all_four_kinds_are_those_of_others() {
        assert_eq!(hex(Checksum::Crc32c), "839206e3");
        assert_eq!(hex(Checksum::XxHash64), "83aee640db41b88c");
        assert_eq!(
            hex(Checksum::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_eq!(
            hex(Checksum::Blake2b),
            "16e0bf1f85594a11e75030981c0b670370b3ad83a43f49ae58a2fd6f6513cde9"
        );
    }
}
