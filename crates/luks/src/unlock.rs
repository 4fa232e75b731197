//! Derives the master key from a passphrase.

use blockio::ReadAt;
use pbkdf2::pbkdf2_hmac;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::cipher::{Cipher, SECTOR_BYTES};
use crate::error::{Error, Fault};
use crate::stored::{
    HEADER_BYTES, SLOT_ACTIVE, check_version, read, read_header, slots, text, u32_at,
};

const DIGEST_BYTES: usize = 20;

/// Longest key, in bytes: two keys of AES-256.
const KEY_BYTES_MAX: u32 = 64;

/// Most stripes that a key may be split into. All known writers use 4000.
const STRIPES_MAX: u32 = 16_384;

/// Most rounds of hashing for one key. Programs that make headers choose a number that
/// takes a second or two, which is a few million.
const ROUNDS_MAX: u32 = 16 << 20;

/// Most rounds of hashing for all key slots: a minute of work.
const ALL_ROUNDS_MAX: u32 = 64 << 20;

/// A hash by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Ripemd160,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        match name {
            "ripemd160" => Some(Self::Ripemd160),
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Derives a key from a passphrase.
    fn derive(self, passphrase: &[u8], salt: &[u8], rounds: u32, key: &mut [u8]) {
        match self {
            Self::Ripemd160 => pbkdf2_hmac::<Ripemd160>(passphrase, salt, rounds, key),
            Self::Sha1 => pbkdf2_hmac::<Sha1>(passphrase, salt, rounds, key),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(passphrase, salt, rounds, key),
            Self::Sha384 => pbkdf2_hmac::<Sha384>(passphrase, salt, rounds, key),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(passphrase, salt, rounds, key),
        }
    }

    /// Spreads every bit of `block` over what is hashed with it.
    fn diffuse(self, block: &mut [u8]) {
        match self {
            Self::Ripemd160 => diffuse::<Ripemd160>(block),
            Self::Sha1 => diffuse::<Sha1>(block),
            Self::Sha256 => diffuse::<Sha256>(block),
            Self::Sha384 => diffuse::<Sha384>(block),
            Self::Sha512 => diffuse::<Sha512>(block),
        }
    }
}

fn diffuse<D: Digest>(block: &mut [u8]) {
    for (index, part) in (0u32..).zip(block.chunks_mut(<D as Digest>::output_size())) {
        let mut hash = D::new();
        hash.update(index.to_be_bytes());
        hash.update(&*part);
        let hashed = hash.finalize();
        let length = part.len();
        part.copy_from_slice(&hashed[..length]);
    }
}

/// The fields of the header.
struct Header {
    cipher: String,
    mode: String,
    hash: Hash,
    key_bytes: usize,
    digest: Vec<u8>,
    digest_salt: Vec<u8>,
    digest_rounds: u32,
    slots: Vec<Slot>,
}

/// A key slot in use.
struct Slot {
    rounds: u32,
    salt: Vec<u8>,
    /// Sectors from the start of the header to the split key.
    material_sectors: u32,
    stripes: u32,
}

impl Header {
    /// Refuses headers that demand excessive work.
    fn check_rounds(&self) -> Result<(), Fault> {
        let rounds = |slot: &Slot| slot.rounds.saturating_add(self.digest_rounds);
        let all = self.slots.iter().map(rounds).fold(0, u32::saturating_add);
        within("iterations of all key slots", all.max(1), ALL_ROUNDS_MAX).map(drop)
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Fault> {
        check_version(bytes)?;
        let hash = text(&bytes[72..104]);
        let key_bytes = within("key-bytes", u32_at(bytes, 108), KEY_BYTES_MAX)?;
        let active = slots(bytes).filter(|slot| u32_at(slot, 0) == SLOT_ACTIVE);
        Ok(Self {
            cipher: text(&bytes[8..40]),
            mode: text(&bytes[40..72]),
            hash: Hash::named(&hash).ok_or(Fault::Unsupported {
                field: "hash-spec",
                found: hash,
            })?,
            key_bytes: usize::try_from(key_bytes).unwrap_or(usize::MAX),
            digest: bytes[112..132].to_vec(),
            digest_salt: bytes[132..164].to_vec(),
            digest_rounds: within("mk-digest-iter", u32_at(bytes, 164), ROUNDS_MAX)?,
            slots: active.map(Slot::decode).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the cipher for a key.
    fn cipher(&self, key: &[u8]) -> Result<Cipher, Fault> {
        let unsupported = |field, found: &str| Fault::Unsupported {
            field,
            found: found.into(),
        };
        if self.cipher != "aes" {
            return Err(unsupported("cipher-name", &self.cipher));
        }
        Cipher::named(&self.mode, key).ok_or_else(|| unsupported("cipher-mode", &self.mode))
    }

    /// Merges the decrypted split key in `material` into the master key.
    fn merge(&self, material: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; self.key_bytes]);
        let mut stripes = material.chunks_exact(self.key_bytes).peekable();
        while let Some(stripe) = stripes.next() {
            for (to, from) in key.iter_mut().zip(stripe) {
                *to ^= from;
            }
            if stripes.peek().is_some() {
                self.hash.diffuse(&mut key);
            }
        }
        key
    }

    fn is_key(&self, key: &[u8]) -> bool {
        let mut digest = [0; DIGEST_BYTES];
        self.hash
            .derive(key, &self.digest_salt, self.digest_rounds, &mut digest);
        digest.as_slice() == self.digest
    }
}

impl Slot {
    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        Ok(Self {
            rounds: within("iterations", u32_at(bytes, 4), ROUNDS_MAX)?,
            salt: bytes[8..40].to_vec(),
            material_sectors: u32_at(bytes, 40),
            stripes: within("stripes", u32_at(bytes, 44), STRIPES_MAX)?,
        })
    }
}

/// Derives the cipher of the data from the LUKS header at `at` of `storage` and a
/// passphrase.
///
/// # Errors
///
/// Fails if the header is damaged, incomplete, unsupported or unreadable, or if no key
/// slot opens with the passphrase.
pub fn unlock<S: ReadAt + ?Sized>(
    storage: &S,
    at: u64,
    passphrase: &[u8],
) -> Result<Cipher, Error> {
    let bytes = read_header(storage, at)?;
    let header = Header::decode(&bytes)?;
    header.check_rounds()?;
    // Refused before any hashing.
    header.cipher(&vec![0; header.key_bytes])?;
    for slot in &header.slots {
        let mut split_key = Zeroizing::new(vec![0; header.key_bytes]);
        header
            .hash
            .derive(passphrase, &slot.salt, slot.rounds, &mut split_key);
        let stripes = usize::try_from(slot.stripes).unwrap_or(usize::MAX);
        // At most 1 MiB, and whole sectors.
        let length = header.key_bytes.saturating_mul(stripes);
        let mut material = Zeroizing::new(vec![0; length.next_multiple_of(512)]);
        let start = u64::from(slot.material_sectors).saturating_mul(SECTOR_BYTES);
        read(storage, at.saturating_add(start), &mut material)?;
        let cipher = header.cipher(&split_key)?;
        // Its sectors have numbers of their own.
        cipher.decrypt(0, &mut material);
        let key = header.merge(material.get(..length).unwrap_or_default());
        if header.is_key(&key) {
            return Ok(header.cipher(&key)?);
        }
    }
    Err(Fault::WrongSecret.into())
}

fn within(field: &'static str, found: u32, max: u32) -> Result<u32, Fault> {
    if (1..=max).contains(&found) {
        Ok(found)
    } else {
        Err(Fault::Limit { field, found, max })
    }
}

#[cfg(test)]
mod tests;
