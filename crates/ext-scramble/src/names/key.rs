//! The secret of one run, and what is drawn from it.

use std::fmt;

use chacha20::ChaCha20Rng;
use hmac::{Hmac, KeyInit, Mac};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sha2::Sha256;

/// Size of a key in bytes.
const KEY_BYTES: usize = 32;

/// Size of a block of SHA-256 in bytes: HMAC pads its key to it with zeros.
const HMAC_KEY_BYTES: usize = 64;

/// The key that decides how names are scrambled. With it the names can be found
/// again; without it they cannot. It should be random, used once, and
/// stored nowhere.
#[derive(Clone)]
pub struct ScrambleKey([u8; KEY_BYTES]);

impl ScrambleKey {
    /// The key `bytes`.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key of its own for `purpose`.
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        Self(self.tag(purpose.as_bytes()))
    }

    /// The key itself, for a cipher.
    pub(crate) const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Fills `out` with bytes that depend on all of `input`, and tell nothing
    /// of it.
    pub(crate) fn replace(&self, input: &[u8], out: &mut [u8]) {
        ChaCha20Rng::from_seed(self.tag(input)).fill_bytes(out);
    }

    /// A random order of `0..count`, always the same.
    pub(crate) fn permutation(&self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        order.shuffle(&mut ChaCha20Rng::from_seed(self.0));
        order
    }

    /// HMAC-SHA-256 of `input`.
    fn tag(&self, input: &[u8]) -> [u8; KEY_BYTES] {
        let mut key = [0; HMAC_KEY_BYTES];
        for (padded, byte) in key.iter_mut().zip(self.0) {
            *padded = byte;
        }
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(input);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ScrambleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScrambleKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_hmac_sha256() {
        // RFC 4231, test case 2, whose key is padded with zeros anyhow.
        let mut key = [0; KEY_BYTES];
        key[..4].copy_from_slice(b"Jefe");
        let tag = ScrambleKey::new(key).tag(b"what do ya want for nothing?");
        let want = [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e];
        assert_eq!(tag[..8], want);
    }

    #[test]
    fn replacements_depend_on_key_and_input() {
        let draw = |key: u8, input: &[u8]| {
            let mut out = [0; 40];
            ScrambleKey::new([key; KEY_BYTES]).replace(input, &mut out);
            out
        };
        assert_eq!(draw(1, b"value"), draw(1, b"value"));
        assert_ne!(draw(1, b"value"), draw(2, b"value"));
        assert_ne!(draw(1, b"value"), draw(1, b"valuf"));
    }

    #[test]
    fn permutations_have_every_number_once() {
        let key = ScrambleKey::new([7; KEY_BYTES]);
        let order = key.permutation(5000);
        assert_eq!(order, key.permutation(5000));
        assert_ne!(order, key.derive("other").permutation(5000));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_ne!(order, sorted);
        assert!(sorted.into_iter().eq(0..5000));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = ScrambleKey::new([0x41; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "ScrambleKey(..)");
    }
}
