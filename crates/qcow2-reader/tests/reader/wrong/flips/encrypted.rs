//! Encrypted images, and what is in them.

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyInit as _};
use pbkdf2::pbkdf2_hmac;
use qcow2_reader::Secret;
use sha2::{Digest as _, Sha256};
use xts_mode::Xts128;

use super::images::{DATA, count, whole};
use super::subject::Subject;
use crate::common::{put, put32, put64};

const SECRET: &[u8] = b"0123456789abcdef";

/// Host offset of the LUKS header.
const LUKS: usize = 0x1800;
const LUKS_END: usize = 0x2000;
const STRIPES: u32 = 16;
const ROUNDS: u32 = 3;
const KEY: [u8; 32] = *b"the key that all of it hangs on!";

fn iv(sector: u64) -> [u8; 16] {
    u128::from(sector).to_le_bytes()
}

fn aes() -> Aes128 {
    Aes128::new_from_slice(SECRET).unwrap()
}

/// The old method: CBC, by the sector of the disk.
fn decrypt_aes(guest: u64, _host: u64, sector: &mut [u8]) {
    let mut mode = cbc::Decryptor::inner_iv_init(aes(), &iv(guest / 512).into());
    let (blocks, _) = Array::slice_as_chunks_mut(sector);
    mode.decrypt_blocks(blocks);
}

fn xts(key: &[u8]) -> Xts128<Aes128> {
    let half = |at: usize| Aes128::new_from_slice(&key[at..at + 16]).unwrap();
    Xts128::new(half(0), half(16))
}

/// LUKS: XTS, by the sector of the file.
fn decrypt_luks(_guest: u64, host: u64, sector: &mut [u8]) {
    xts(&KEY).decrypt_sector(sector, iv(host / 512).into());
}

/// The guest sectors of [`whole`]'s data clusters; the second is used twice, which
/// the old method has no way to encrypt.
const STORED: [(u64, usize); 6] = [
    (0, 0xc00),
    (1, 0xe00),
    (3, 0x1000),
    (5, 0x1200),
    (6, 0x1400),
    (78, 0x1600),
];

fn subject(name: &'static str, image: Vec<u8>) -> Subject {
    let mut subject = Subject::new(name, image);
    subject.options.secret = Some(Secret::new(SECRET.to_vec()));
    subject.piped = false;
    subject.image().data.push(DATA..LUKS);
    subject
}

#[test]
fn of_the_old_encryption() {
    let mut image = whole();
    image[35] = 1;
    for (sector, host) in STORED {
        let mut mode = cbc::Encryptor::inner_iv_init(aes(), &iv(sector).into());
        let (blocks, _) = Array::slice_as_chunks_mut(&mut image[host..host + 512]);
        mode.encrypt_blocks(blocks);
    }
    let mut subject = subject("AES", image);
    subject.decrypt = Some(decrypt_aes);
    subject.examine();
}

fn diffused(block: &[u8]) -> Vec<u8> {
    let hash = Sha256::new().chain_update([0; 4]).chain_update(block);
    hash.finalize().to_vec()
}

/// [`KEY`] split into stripes and encrypted.
fn key_material(passphrase: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut stripes = vec![0u8; 32 * usize::try_from(STRIPES).unwrap()];
    for (at, byte) in stripes.iter_mut().enumerate() {
        *byte = u8::try_from(at * at % 253).unwrap();
    }
    let (all, last) = stripes.split_at_mut(32 * usize::try_from(STRIPES - 1).unwrap());
    let mut mixed = vec![0; 32];
    for stripe in all.chunks(32) {
        let block: Vec<u8> = mixed.iter().zip(stripe).map(|(a, b)| a ^ b).collect();
        mixed = diffused(&block);
    }
    for (at, byte) in last.iter_mut().enumerate() {
        *byte = mixed[at] ^ KEY[at];
    }
    let mut split_key = [0; 32];
    pbkdf2_hmac::<Sha256>(passphrase, salt, ROUNDS, &mut split_key);
    for (number, sector) in (0..).zip(stripes.chunks_mut(512)) {
        xts(&split_key).encrypt_sector(sector, iv(number).into());
    }
    stripes
}

/// [`whole`] in LUKS, with two key slots, of which the second opens.
///
/// ```text
/// 1800 LUKS header   1c00 key material of slot 0   1e00 of slot 1
/// ```
fn luks() -> Vec<u8> {
    let mut image = whole();
    image[35] = 2;
    for host in (DATA..LUKS).step_by(512) {
        let number = u64::try_from(host).unwrap() / 512;
        xts(&KEY).encrypt_sector(&mut image[host..host + 512], iv(number).into());
    }
    put32(&mut image, 104, 0x0537_be77);
    put32(&mut image, 108, 16);
    put64(&mut image, 112, 0x1800);
    put64(&mut image, 120, 0x800);
    image.resize(LUKS_END, 0);
    count(&mut image, LUKS..LUKS_END);

    let header = &mut image[LUKS..];
    put(header, 0, b"LUKS\xba\xbe\0\x01aes");
    put(header, 40, b"xts-plain64");
    put(header, 72, b"sha256");
    put32(header, 104, 4);
    put32(header, 108, 32);
    let mut digest = [0; 20];
    pbkdf2_hmac::<Sha256>(&KEY, &[7; 32], ROUNDS, &mut digest);
    put(header, 112, &digest);
    put(header, 132, &[7; 32]);
    put32(header, 164, ROUNDS);
    put(header, 168, b"00000000-0000-0000-0000-000000000000");
    for (slot, passphrase) in [(0, &b"another"[..]), (1, SECRET)] {
        let at = 208 + 48 * usize::try_from(slot).unwrap();
        let salt = [u8::try_from(slot).unwrap() + 1; 32];
        put32(header, at, 0x00ac_71f3);
        put32(header, at + 4, ROUNDS);
        put(header, at + 8, &salt);
        put32(header, at + 40, slot + 2);
        put32(header, at + 44, STRIPES);
        let start = 512 * usize::try_from(slot + 2).unwrap();
        put(header, start, &key_material(passphrase, &salt));
    }
    for slot in 2..8 {
        put32(header, 208 + 48 * slot, 0x0000_dead);
    }
    image
}

#[test]
fn of_luks() {
    let mut subject = subject("LUKS", luks());
    subject.decrypt = Some(decrypt_luks);
    // Up to 8 million rounds would be right, and take their time.
    for field in [164, 208 + 4, 208 + 48 + 4] {
        let at = LUKS + field + 1;
        subject.image().rare.push((at..at + 1, usize::MAX));
    }
    subject.examine();
}
