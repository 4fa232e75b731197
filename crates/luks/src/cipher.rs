//! Decrypts sectors.

use std::fmt;

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockSizeUser, InnerIvInit, KeyInit,
};
use aes::{Aes128, Aes192, Aes256};
use sha2::{Digest, Sha256};
use xts_mode::Xts128;

/// Length of the unit of encryption, in bytes.
pub const SECTOR_BYTES: u64 = 512;

/// [`SECTOR_BYTES`] in memory.
const SECTOR: usize = 512;

type Block = [u8; 16];

/// Decrypts one sector after the other.
trait Sectors: Send + Sync {
    fn decrypt(&self, sector: &mut [u8], iv: Block);
}

/// Cipher block chaining.
struct Cbc<C>(C);

impl<C> Sectors for Cbc<C>
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn decrypt(&self, sector: &mut [u8], iv: Block) {
        let mut mode = cbc::Decryptor::inner_iv_init(&self.0, &iv.into());
        let (blocks, _) = Array::slice_as_chunks_mut(sector);
        mode.decrypt_blocks(blocks);
    }
}

impl<C> Sectors for Xts128<C>
where
    C: BlockCipherDecrypt + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn decrypt(&self, sector: &mut [u8], iv: Block) {
        self.decrypt_sector(sector, iv.into());
    }
}

/// Where the initial vectors come from.
enum Iv {
    /// The low 32 bits of the sector's number.
    Plain,
    /// The sector's number.
    Plain64,
    /// The sector's number, encrypted.
    Essiv(Box<Aes256>),
}

impl Iv {
    fn of(&self, sector: u64) -> Block {
        let mut iv = [0; 16];
        let (number, _) = iv.split_at_mut(8);
        number.copy_from_slice(&sector.to_le_bytes());
        match self {
            Self::Plain => iv[4..].fill(0),
            Self::Plain64 => {}
            Self::Essiv(cipher) => {
                let mut block = iv.into();
                cipher.encrypt_block(&mut block);
                iv = block.into();
            }
        }
        iv
    }
}

/// How data is encrypted, with its key.
pub struct Cipher {
    sectors: Box<dyn Sectors>,
    iv: Iv,
}

impl Cipher {
    /// Returns AES-128 in CBC mode, with sector numbers as initial vectors.
    #[must_use]
    pub fn aes128_cbc(key: &[u8; 16]) -> Self {
        Self {
            sectors: Box::new(Cbc(Aes128::new(key.into()))),
            iv: Iv::Plain64,
        }
    }

    /// Returns AES in the mode with this LUKS name, or `None` if the mode is unknown or
    /// the key has the wrong length.
    pub(crate) fn named(mode: &str, key: &[u8]) -> Option<Self> {
        let (mode, iv) = mode.split_once('-')?;
        let iv = match iv {
            "plain" => Iv::Plain,
            "plain64" => Iv::Plain64,
            "essiv:sha256" => Iv::Essiv(Box::new(Aes256::new(&Sha256::digest(key)))),
            _ => return None,
        };
        let sectors = match mode {
            "cbc" => cbc_of(key),
            "xts" => {
                let (data, tweak) = key.split_at_checked(key.len() / 2)?;
                xts_of(data, tweak)
            }
            _ => None,
        };
        Some(Self {
            sectors: sectors?,
            iv,
        })
    }

    /// Decrypts whole sectors. The first one starts `at` bytes after the start of
    /// sector 0.
    pub fn decrypt(&self, at: u64, bytes: &mut [u8]) {
        let first = at / SECTOR_BYTES;
        for (number, sector) in (first..).zip(bytes.chunks_exact_mut(SECTOR)) {
            self.sectors.decrypt(sector, self.iv.of(number));
        }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(…)")
    }
}

fn cbc_of(key: &[u8]) -> Option<Box<dyn Sectors>> {
    match key.len() {
        16 => Some(Box::new(Cbc(Aes128::new_from_slice(key).ok()?))),
        24 => Some(Box::new(Cbc(Aes192::new_from_slice(key).ok()?))),
        32 => Some(Box::new(Cbc(Aes256::new_from_slice(key).ok()?))),
        _ => None,
    }
}

fn xts_of(data: &[u8], tweak: &[u8]) -> Option<Box<dyn Sectors>> {
    match (data.len(), tweak.len()) {
        (16, 16) => Some(Box::new(Xts128::new(
            Aes128::new_from_slice(data).ok()?,
            Aes128::new_from_slice(tweak).ok()?,
        ))),
        (24, 24) => Some(Box::new(Xts128::new(
            Aes192::new_from_slice(data).ok()?,
            Aes192::new_from_slice(tweak).ok()?,
        ))),
        (32, 32) => Some(Box::new(Xts128::new(
            Aes256::new_from_slice(data).ok()?,
            Aes256::new_from_slice(tweak).ok()?,
        ))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_vectors_are_little_endian_numbers() {
        let sector = 0x1_0203_0405;
        let mut plain64 = [0; 16];
        plain64[..5].copy_from_slice(&[5, 4, 3, 2, 1]);
        assert_eq!(Iv::Plain64.of(sector), plain64);
        plain64[4] = 0;
        assert_eq!(Iv::Plain.of(sector), plain64);
    }

    /// NIST SP 800-38A, F.2.2: CBC-AES128.Decrypt.
    #[test]
    fn cbc_gives_what_nist_says() {
        let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        let mut bytes = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        cbc_of(&key)
            .unwrap()
            .decrypt(&mut bytes, iv.try_into().unwrap());
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        assert_eq!(bytes, plain);
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        for (mode, length) in [
            ("cbc-plain64", 17),
            ("xts-plain64", 33),
            ("xts-plain64", 0),
            ("xts-plain64", 40),
            ("ctr-plain64", 16),
            ("cbc-essiv:md5", 16),
            ("ecb", 16),
        ] {
            assert!(Cipher::named(mode, &vec![0; length]).is_none(), "{mode}");
        }
        assert!(Cipher::named("xts-plain", &[0; 64]).is_some());
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
