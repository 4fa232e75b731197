//! Encrypted guest data: plain clusters, sector by sector. Tables are never
//! encrypted, and zeros and holes are seen.

mod cipher;
mod luks;
mod luks_fault;
mod luks_info;

use std::fmt;

use blockio::ReadAt;
use qcow2_format::extension::Extension;
use qcow2_format::header::CryptMethod;
use qcow2_format::{Header, HostOffset};
use zeroize::Zeroizing;

use crate::Error;

pub use luks_fault::LuksFault;
pub use luks_info::{LuksInfo, LuksKeySlot};

pub(crate) use cipher::{Cipher, SECTOR_BYTES};

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
    luks::unlock(storage, luks_host(header)?, secret.bytes()).map(Some)
}

/// What the LUKS header of an image says, where it has one. It holds no secret, and
/// none is needed to read it.
///
/// # Errors
///
/// [`Error::Luks`] where it is no header of LUKS version 1, and where it cannot be
/// read.
pub fn read_luks<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
) -> Result<Option<LuksInfo>, Error> {
    if header.crypt_method != CryptMethod::Luks {
        return Ok(None);
    }
    LuksInfo::read(storage, luks_host(header)?).map(Some)
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
