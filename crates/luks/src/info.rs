//! The fields of a LUKS header that can be read without a passphrase.

use blockio::ReadAt;

use crate::cipher::SECTOR_BYTES;
use crate::error::{Error, Fault};
use crate::stored::{HEADER_BYTES, SLOT_ACTIVE, check_version, read_header, slots, text, u32_at};

/// A LUKS header of version 1, as it is stored.
///
/// Its ciphers need not be supported. In text, bytes that are not UTF-8 are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `cipher-name`: `aes`.
    pub cipher_name: String,
    /// `cipher-mode`: the mode and the source of initial vectors, `xts-plain64`.
    pub cipher_mode: String,
    /// `hash-spec`: `sha256`.
    pub hash_spec: String,
    /// Length of the master key, in bytes. In XTS mode it consists of two keys.
    pub key_bytes: u32,
    /// Bytes from the start of the header to the data. If the header is inside a file of
    /// another format, the data may be elsewhere.
    pub payload_offset_bytes: u64,
    /// Rounds of hashing that the digest of the key takes.
    pub digest_rounds: u32,
    /// The UUID, as text.
    pub uuid: String,
    /// All key slots, in use or not.
    pub key_slots: Vec<KeySlot>,
}

/// A key slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySlot {
    /// Whether it is in use.
    pub active: bool,
    /// Rounds of hashing that the passphrase takes.
    pub rounds: u32,
    /// Bytes from the start of the header to the split key.
    pub material_offset_bytes: u64,
    /// Stripes that the key is split into.
    pub stripes: u32,
}

impl Info {
    /// Reads the header at `at` of `storage`.
    ///
    /// # Errors
    ///
    /// Fails if this is not a LUKS header of version 1, or if it cannot be read.
    pub fn read<S: ReadAt + ?Sized>(storage: &S, at: u64) -> Result<Self, Error> {
        Ok(Self::decode(&read_header(storage, at)?)?)
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Fault> {
        check_version(bytes)?;
        Ok(Self {
            cipher_name: text(&bytes[8..40]),
            cipher_mode: text(&bytes[40..72]),
            hash_spec: text(&bytes[72..104]),
            payload_offset_bytes: sectors_at(bytes, 104),
            key_bytes: u32_at(bytes, 108),
            digest_rounds: u32_at(bytes, 164),
            uuid: text(&bytes[168..208]),
            key_slots: slots(bytes)
                .map(|slot| KeySlot {
                    active: u32_at(slot, 0) == SLOT_ACTIVE,
                    rounds: u32_at(slot, 4),
                    material_offset_bytes: sectors_at(slot, 40),
                    stripes: u32_at(slot, 44),
                })
                .collect(),
        })
    }
}

/// Returns a stored number of sectors, in bytes.
fn sectors_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)).saturating_mul(SECTOR_BYTES)
}
