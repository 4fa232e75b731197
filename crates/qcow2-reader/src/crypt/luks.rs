//! LUKS version 1: from a passphrase to the key of the data. "LUKS On-Disk Format
//! Specification", version 1.2.3.

use blockio::ReadAt;
use pbkdf2::pbkdf2_hmac;
use qcow2_format::HostOffset;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::cipher::{Cipher, SECTOR_BYTES};
use super::luks_fault::LuksFault;
use crate::{Error, Structure};

/// Bytes of the header with its key slots.
pub(super) const HEADER_BYTES: usize = 592;
const MAGIC: &[u8] = b"LUKS\xba\xbe";
const SLOTS: usize = 8;
const SLOT_BYTES: usize = 48;
pub(super) const SLOT_ACTIVE: u32 = 0x00ac_71f3;
const DIGEST_BYTES: usize = 20;

/// Longest key, in bytes: two keys of AES-256.
const KEY_BYTES_MAX: u32 = 64;

/// Most stripes that a key is split into. Everybody writes 4000.
const STRIPES_MAX: u32 = 16_384;

/// Most rounds of hashing for one key. Who makes an image chooses them so that they
/// take a second or two, and that are a few millions.
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
    /// Refuses more work than anybody asks for.
    fn check_rounds(&self) -> Result<(), LuksFault> {
        let rounds = |slot: &Slot| slot.rounds.saturating_add(self.digest_rounds);
        let all = self.slots.iter().map(rounds).fold(0, u32::saturating_add);
        within("iterations of all key slots", all.max(1), ALL_ROUNDS_MAX).map(drop)
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, LuksFault> {
        check_version(bytes)?;
        let hash = text(&bytes[72..104]);
        let key_bytes = within("key-bytes", u32_at(bytes, 108), KEY_BYTES_MAX)?;
        let active = slots(bytes).filter(|slot| u32_at(slot, 0) == SLOT_ACTIVE);
        Ok(Self {
            cipher: text(&bytes[8..40]),
            mode: text(&bytes[40..72]),
            hash: Hash::named(&hash).ok_or(LuksFault::Unsupported {
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

    /// The cipher for a key.
    fn cipher(&self, key: &[u8]) -> Result<Cipher, LuksFault> {
        let unsupported = |field, found: &str| LuksFault::Unsupported {
            field,
            found: found.into(),
        };
        if self.cipher != "aes" {
            return Err(unsupported("cipher-name", &self.cipher));
        }
        Cipher::named(&self.mode, key).ok_or_else(|| unsupported("cipher-mode", &self.mode))
    }

    /// The key of the data, from the split key that `material` decrypts to.
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
    fn decode(bytes: &[u8]) -> Result<Self, LuksFault> {
        Ok(Self {
            rounds: within("iterations", u32_at(bytes, 4), ROUNDS_MAX)?,
            salt: bytes[8..40].to_vec(),
            material_sectors: u32_at(bytes, 40),
            stripes: within("stripes", u32_at(bytes, 44), STRIPES_MAX)?,
        })
    }
}

/// The cipher of the data, from the LUKS header at `host` and a passphrase.
pub(super) fn unlock<S: ReadAt + ?Sized>(
    storage: &S,
    host: HostOffset,
    passphrase: &[u8],
) -> Result<Cipher, Error> {
    let wrong = |source| Error::Luks { host, source };
    let bytes = read_header(storage, host)?;
    let header = Header::decode(&bytes).map_err(wrong)?;
    header.check_rounds().map_err(wrong)?;
    // Refused before any hashing.
    header.cipher(&vec![0; header.key_bytes]).map_err(wrong)?;
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
        read(storage, host.0.saturating_add(start), &mut material)?;
        let cipher = header.cipher(&split_key).map_err(wrong)?;
        // Its sectors have numbers of their own.
        cipher.decrypt(0, 0, &mut material);
        let key = header.merge(material.get(..length).unwrap_or_default());
        if header.is_key(&key) {
            return header.cipher(&key).map_err(wrong);
        }
    }
    Err(wrong(LuksFault::WrongSecret))
}

/// The header and its key slots, as they are stored.
pub(super) fn read_header<S: ReadAt + ?Sized>(
    storage: &S,
    host: HostOffset,
) -> Result<[u8; HEADER_BYTES], Error> {
    let mut bytes = [0; HEADER_BYTES];
    read(storage, host.0, &mut bytes)?;
    Ok(bytes)
}

/// Refuses what is not a header of version 1.
pub(super) fn check_version(bytes: &[u8; HEADER_BYTES]) -> Result<(), LuksFault> {
    if !bytes.starts_with(MAGIC) {
        return Err(LuksFault::Magic);
    }
    match u16::from_be_bytes([bytes[6], bytes[7]]) {
        1 => Ok(()),
        found => Err(LuksFault::Version { found }),
    }
}

/// All key slots in a header.
pub(super) fn slots(bytes: &[u8; HEADER_BYTES]) -> impl Iterator<Item = &[u8]> {
    let slots = (0..SLOTS).map(|index| 208 + index * SLOT_BYTES);
    slots.map(|at| &bytes[at..at + SLOT_BYTES])
}

fn read<S: ReadAt + ?Sized>(storage: &S, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
    let (structure, host) = (Structure::LuksHeader, HostOffset(at));
    let end = at.saturating_add(blockio::len_u64(bytes.len()));
    if end > storage.size() {
        return Err(Error::TableTruncated {
            structure,
            host,
            end,
            file_bytes: storage.size(),
        });
    }
    storage.read_at(at, bytes).map_err(|source| Error::Read {
        structure,
        host,
        source,
    })
}

fn within(field: &'static str, found: u32, max: u32) -> Result<u32, LuksFault> {
    if (1..=max).contains(&found) {
        Ok(found)
    } else {
        Err(LuksFault::Limit { field, found, max })
    }
}

/// Text that a zero byte ends.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0);
    let text = field.get(..end.unwrap_or(field.len())).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u32::from_be_bytes(*word.unwrap_or(&[0; 4]))
}
