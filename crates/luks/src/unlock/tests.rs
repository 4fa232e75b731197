use super::*;
use aes::Aes128;
use aes::cipher::KeyInit;
use xts_mode::Xts128;

const KEY: [u8; 32] = *b"the key of the data, two of them";
const PASSPHRASE: &[u8] = b"pass word";
/// Where the header is in the file.
const AT: u64 = 4096;
/// The key slot that is in use.
const SLOT: usize = 3;
const ROUNDS: u32 = 2;
const SALT: [u8; 32] = [9; 32];

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Encrypts one sector.
fn encrypt(key: &[u8], number: u8, sector: &mut [u8]) {
    let (data, tweak) = key.split_at(16);
    let data = Aes128::new_from_slice(data).unwrap();
    let tweak = Aes128::new_from_slice(tweak).unwrap();
    let mut iv = [0; 16];
    iv[0] = number;
    Xts128::new(data, tweak).encrypt_sector(sector, iv.into());
}

/// A file with a header of AES-128 in XTS mode, by hand, whose key is in two stripes.
fn file() -> Vec<u8> {
    let mut header = vec![0; 592];
    put(&mut header, 0, b"LUKS\xba\xbe\0\x01");
    put(&mut header, 8, b"aes");
    put(&mut header, 40, b"xts-plain64");
    put(&mut header, 72, b"sha256");
    put(&mut header, 104, &8u32.to_be_bytes());
    put(&mut header, 108, &32u32.to_be_bytes());
    let mut digest = [0; 20];
    pbkdf2_hmac::<Sha256>(&KEY, &SALT, ROUNDS, &mut digest);
    put(&mut header, 112, &digest);
    put(&mut header, 132, &SALT);
    put(&mut header, 164, &ROUNDS.to_be_bytes());
    put(&mut header, 168, b"00000000-0000-4000-8000-000000000001");
    let slot = 208 + SLOT * 48;
    put(&mut header, slot, &0x00ac_71f3u32.to_be_bytes());
    put(&mut header, slot + 4, &ROUNDS.to_be_bytes());
    put(&mut header, slot + 8, &SALT);
    put(&mut header, slot + 40, &2u32.to_be_bytes());
    put(&mut header, slot + 44, &2u32.to_be_bytes());

    let first = [0x5a; 32];
    let mut hash = Sha256::new();
    hash.update([0; 4]);
    hash.update(first);
    let spread = hash.finalize();
    let mut material = [0; 512];
    put(&mut material, 0, &first);
    for (to, (key, spread)) in material[32..].iter_mut().zip(KEY.iter().zip(&spread)) {
        *to = key ^ spread;
    }
    let mut split_key = [0; 32];
    pbkdf2_hmac::<Sha256>(PASSPHRASE, &SALT, ROUNDS, &mut split_key);
    encrypt(&split_key, 0, &mut material);

    let mut file = vec![0; 4096 + 1024];
    put(&mut file, 4096, &header);
    file.extend(material);
    file
}

#[test]
fn a_passphrase_gives_the_cipher_of_the_data() {
    let cipher = unlock(&file(), AT, PASSPHRASE).unwrap();
    let plain: Vec<u8> = (0..1024)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let mut sectors = plain.clone();
    for (number, sector) in (5..).zip(sectors.chunks_mut(512)) {
        encrypt(&KEY, number, sector);
    }
    cipher.decrypt(5 * SECTOR_BYTES, &mut sectors);
    assert_eq!(sectors, plain);
}

#[test]
fn what_the_header_says_can_be_read_without_a_passphrase() {
    let info = crate::Info::read(&file(), AT).unwrap();
    assert_eq!(info.cipher_mode, "xts-plain64");
    assert_eq!(info.payload_offset_bytes, 4096);
    assert_eq!(info.uuid, "00000000-0000-4000-8000-000000000001");
    assert_eq!(info.key_slots.len(), 8);
    for (index, slot) in info.key_slots.iter().enumerate() {
        assert_eq!(slot.active, index == SLOT);
    }
    assert_eq!(info.key_slots[SLOT].material_offset_bytes, 1024);
    assert_eq!(info.key_slots[SLOT].stripes, 2);
}

#[track_caller]
fn refused(file: &[u8], passphrase: &[u8]) -> String {
    let error = unlock(file, AT, passphrase).unwrap_err();
    error.to_string()
}

#[test]
fn what_is_wrong_is_told() {
    let right = file();
    assert_eq!(
        refused(&right, b"pass"),
        "no key slot opens with this passphrase"
    );
    let mut wrong = right.clone();
    wrong[4096] = b'l';
    assert_eq!(
        refused(&wrong, PASSPHRASE),
        "not a LUKS header (the magic is missing)"
    );
    assert_eq!(
        refused(&right[..4096 + 591], PASSPHRASE),
        "the file is too short for the LUKS header: it needs bytes 0x1000..0x1250 and ends at 0x124f"
    );
    assert_eq!(
        refused(&right[..right.len() - 1], PASSPHRASE),
        "the file is too short for the LUKS header: it needs bytes 0x1400..0x1600 and ends at 0x15ff"
    );
    let mut wrong = right;
    put(&mut wrong, 4096 + 164, &u32::MAX.to_be_bytes());
    assert_eq!(
        refused(&wrong, PASSPHRASE),
        "mk-digest-iter is 4294967295, must be 1 to 16777216"
    );
}
