//! The hashes of names that indexed directories are sorted by.

use byteorder::{ByteOrder, LittleEndian};

/// The largest hash stands for the end of a directory; a name that has it gets
/// the one below.
const EOF: u32 = 0xffff_fffe;

/// What a hash starts from where the filesystem has no seed: the initial state
/// of MD4 (RFC 1320, 3.3).
const NO_SEED: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Constants of rounds 2 and 3 of MD4 (RFC 1320, 3.4).
const ROUND2: u32 = 0x5a82_7999;
const ROUND3: u32 = 0x6ed9_eba1;

/// The constant of TEA.
const DELTA: u32 = 0x9e37_79b9;

/// How a directory's index hashes names: `hash_version` of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    /// 0: the first one.
    Legacy,
    /// 1: three rounds over a half of MD4's state.
    HalfMd4,
    /// 2: the Tiny Encryption Algorithm.
    Tea,
}

impl Algorithm {
    /// The algorithm stored as `hash_version`. SipHash, 6, needs a key that is
    /// not on the disk.
    pub(crate) const fn from_version(hash_version: u8) -> Option<Self> {
        match hash_version {
            0 => Some(Self::Legacy),
            1 => Some(Self::HalfMd4),
            2 => Some(Self::Tea),
            _ => None,
        }
    }
}

/// How a filesystem hashes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hasher {
    seed: [u32; 4],
    /// Bytes from 0x80 on are positive, as `char` is on some machines.
    unsigned: bool,
}

/// A hash of a name. An index is sorted by `major`, whose bit 0 is clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hash {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Hasher {
    /// The hasher of a filesystem with these fields of its superblock.
    pub(crate) fn new(s_hash_seed: &[u8; 16], unsigned: bool) -> Self {
        let mut seed = [0; 4];
        LittleEndian::read_u32_into(s_hash_seed, &mut seed);
        if seed == [0; 4] {
            seed = NO_SEED;
        }
        Self { seed, unsigned }
    }

    /// The hash of `name`.
    pub(crate) fn hash(&self, algorithm: Algorithm, name: &[u8]) -> Hash {
        let mut state = self.seed;
        let (major, minor) = match algorithm {
            Algorithm::Legacy => (self.legacy(name), 0),
            Algorithm::HalfMd4 => {
                for at in (0..name.len()).step_by(32) {
                    half_md4(&mut state, &self.words(name, at));
                }
                (state[1], state[2])
            }
            Algorithm::Tea => {
                for at in (0..name.len()).step_by(16) {
                    tea(&mut state, &self.words(name, at));
                }
                (state[0], state[1])
            }
        };
        let major = match major & !1 {
            EOF => EOF - 2,
            major => major,
        };
        Hash { major, minor }
    }

    /// A byte as the machine's `char` that is made an `int`.
    fn widen(&self, byte: u8) -> u32 {
        if self.unsigned {
            u32::from(byte)
        } else {
            i32::from(byte.cast_signed()).cast_unsigned()
        }
    }

    fn legacy(&self, name: &[u8]) -> u32 {
        let (mut hash, mut last) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
        for byte in name {
            let step = hash ^ self.widen(*byte).wrapping_mul(7_152_373);
            let mut next = last.wrapping_add(step);
            if next & 0x8000_0000 != 0 {
                next = next.wrapping_sub(0x7fff_ffff);
            }
            (hash, last) = (next, hash);
        }
        hash << 1
    }

    /// `N` words of `name` from byte `at`, four bytes each; the length of what
    /// is left of the name fills up those that it does not.
    fn words<const N: usize>(&self, name: &[u8], at: usize) -> [u32; N] {
        let rest = name.get(at..).unwrap_or_default();
        // A name has at most 255 bytes.
        let length = u32::from(u8::try_from(rest.len()).unwrap_or(u8::MAX));
        let mut words = [length.wrapping_mul(0x0101_0101); N];
        for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
            *word = bytes.iter().fold(*word, |word, byte| {
                (word << 8).wrapping_add(self.widen(*byte))
            });
        }
        words
    }
}

/// Half of MD4: the rounds of RFC 1320, 3.4, over eight words instead of
/// sixteen and with orders and shifts of its own.
#[expect(
    clippy::indexing_slicing,
    reason = "constant indices into an array of eight"
)]
fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    let rounds: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (
            |x, y, z| z ^ (x & (y ^ z)),
            0,
            [0, 1, 2, 3, 4, 5, 6, 7],
            [3, 7, 11, 19],
        ),
        (
            |x, y, z| (x & y) | (z & (x ^ y)),
            ROUND2,
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
        ),
        (
            |x, y, z| x ^ y ^ z,
            ROUND3,
            [3, 7, 2, 6, 1, 5, 0, 4],
            [3, 9, 11, 15],
        ),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in rounds {
        for (word, shift) in order.into_iter().zip(shifts.into_iter().cycle()) {
            let sum = a
                .wrapping_add(mix(b, c, d))
                .wrapping_add(words[word])
                .wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shift), b, c);
        }
    }
    add(state, [a, b, c, d]);
}

/// Sixteen cycles of TEA; the name is the key.
fn tea(state: &mut [u32; 4], words: &[u32; 4]) {
    let [a, b, c, d] = *words;
    let [mut x, mut y, ..] = *state;
    let mut sum = 0u32;
    let mix = |v: u32, sum: u32, k: u32, l: u32| {
        (v << 4).wrapping_add(k) ^ v.wrapping_add(sum) ^ (v >> 5).wrapping_add(l)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(DELTA);
        x = x.wrapping_add(mix(y, sum, a, b));
        y = y.wrapping_add(mix(x, sum, c, d));
    }
    add(state, [x, y, 0, 0]);
}

fn add(state: &mut [u32; 4], terms: [u32; 4]) {
    for (word, term) in state.iter_mut().zip(terms) {
        *word = word.wrapping_add(term);
    }
}

#[cfg(test)]
mod tests;
