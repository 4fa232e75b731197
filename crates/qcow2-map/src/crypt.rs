//! Encrypted guest data: plain clusters, sector by sector. Tables are never
//! encrypted, and zeros and holes are seen.

use std::fmt;

use blockio::ReadAt;
use luks::Info;
use qcow2_format::extension::Extension;
use qcow2_format::header::CryptMethod;
use qcow2_format::{Header, HostOffset};
use zeroize::Zeroizing;

use crate::{Error, Structure};

/// Bytes of the key of the old method.
const LEGACY_KEY_BYTES: usize = 16;

/// A passphrase. It is not shown, and its memory is overwritten when it is
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The passphrase `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How guest data is encrypted.
#[derive(Debug)]
pub struct Cipher {
    sectors: luks::Cipher,
    /// Whether sectors are counted from the start of the disk, or else of the file.
    by_guest: bool,
}

impl Cipher {
    /// AES-128-CBC with the first 16 bytes of the passphrase as key. Spec:
    /// "Header", bytes 32 to 35, says 256 bits, and QEMU does this.
    fn legacy(passphrase: &[u8]) -> Self {
        let mut key = [0; LEGACY_KEY_BYTES];
        for (to, from) in key.iter_mut().zip(passphrase) {
            *to = *from;
        }
        Self {
            sectors: luks::Cipher::aes128_cbc(&key),
            by_guest: true,
        }
    }

    /// Decrypts whole sectors: those of the disk from `guest` on, at `host` of the
    /// file.
    #[inline]
    pub fn decrypt(&self, guest: u64, host: u64, bytes: &mut [u8]) {
        let at = if self.by_guest { guest } else { host };
        self.sectors.decrypt(at, bytes);
    }
}

/// The cipher of the guest data of an image, if it is encrypted.
pub(crate) fn open<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
    secret: Option<&Secret>,
) -> Result<Option<Cipher>, Error> {
    let method = match header.crypt_method {
        CryptMethod::None => return Ok(None),
        CryptMethod::Aes => "AES",
        CryptMethod::Luks => "LUKS",
    };
    let secret = secret.ok_or(Error::NoSecret { method })?;
    if header.crypt_method == CryptMethod::Aes {
        return Ok(Some(Cipher::legacy(secret.bytes())));
    }
    let host = luks_host(header)?;
    let sectors = luks::unlock(storage, host.0, secret.bytes());
    Ok(Some(Cipher {
        sectors: sectors.map_err(|error| wrong(host, error))?,
        by_guest: false,
    }))
}

/// What the LUKS header of an image says, where it has one. It holds no secret, and
/// none is needed to read it.
///
/// # Errors
///
/// [`Error::Luks`] if it is not a header of LUKS version 1, and if it cannot be
/// read.
pub fn read_luks<S: ReadAt + ?Sized>(storage: &S, header: &Header) -> Result<Option<Info>, Error> {
    if header.crypt_method != CryptMethod::Luks {
        return Ok(None);
    }
    let host = luks_host(header)?;
    let info = Info::read(storage, host.0);
    info.map(Some).map_err(|error| wrong(host, error))
}

/// Where the LUKS header is.
fn luks_host(header: &Header) -> Result<HostOffset, Error> {
    let mut extensions = header.extensions.iter();
    let host = extensions.find_map(|extension| match extension {
        Extension::Luks(place) => Some(place.offset),
        _ => None,
    });
    Ok(host.ok_or(qcow2_format::Error::LuksMissing)?)
}

/// What is wrong with the LUKS header at `host`, as an error of its image.
fn wrong(host: HostOffset, error: luks::Error) -> Error {
    let structure = Structure::LuksHeader;
    match error {
        luks::Error::Header(source) => Error::Luks { host, source },
        luks::Error::Truncated {
            at,
            end,
            file_bytes,
        } => Error::TableTruncated {
            structure,
            host: HostOffset(at),
            end,
            file_bytes,
        },
        luks::Error::Read { at, source } => Error::Read {
            structure,
            host: HostOffset(at),
            source,
        },
    }
}
