use crate::names::key::ScrambleKey;

use super::*;

const CHECKSUMS: Checksums = Checksums::Crc32c { seed: 77 };

fn names() -> Names {
    Names::new(&ScrambleKey::new([1; 32]))
}

/// Inode 50 holds a value; inline data becomes `d`.
struct Around;

impl Surroundings for Around {
    fn scramble_data(&mut self, value: &mut [u8]) {
        value.fill(b'd');
    }
    fn value_hashes(&mut self, number: u32) -> Result<Option<ValueHashes>, Error> {
        Ok((number == 50).then_some(ValueHashes {
            old: 0x1111_1111,
            new: 0x2222_2222,
        }))
    }
}

fn scrambler(names: &Names) -> Scrambler<'_, Around> {
    Scrambler {
        names,
        checksums: &CHECKSUMS,
        surroundings: Around,
        is_believed: true,
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

/// An entry, padded.
fn entry(index: u8, name: &[u8], value: (u16, u32, u32), hash: u32) -> Vec<u8> {
    let (offset, inode, bytes) = value;
    let mut entry = vec![u8::try_from(name.len()).unwrap(), index];
    entry.extend(offset.to_le_bytes());
    for word in [inode, bytes, hash] {
        entry.extend(word.to_le_bytes());
    }
    entry.extend(name);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

fn value(value: &[u8]) -> Vec<u8> {
    let mut new = vec![0; value.len()];
    names().replace(value, &mut new);
    new
}

fn padded(value: &[u8]) -> Vec<u8> {
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    padded
}

#[test]
fn attributes_in_an_inode() {
    let mut area = vec![b'x'; 200];
    let entries = [
        entry(1, b"comment", (116, 0, 5), 0),
        entry(6, b"selinux", (124, 0, 4), 0),
        entry(4, b"overlay.redirect", (128, 0, 4), 0),
        entry(7, b"data", (132, 0, 4), 0),
        vec![0; 4],
    ]
    .concat();
    put(&mut area, 0, &MAGIC.to_le_bytes());
    put(&mut area, 4, &entries);
    put(&mut area, 120, b"valuexxxlabl/dirdata");
    assert_eq!(inline_data(&area), Some(&b"data"[..]));
    let names = names();
    assert!(!scrambler(&names).inode(&mut area).unwrap());

    let mut want = vec![0; 200];
    let entries = [
        entry(1, &names.map_path(b"comment"), (116, 0, 5), 0),
        entry(6, b"selinux", (124, 0, 4), 0),
        entry(4, b"overlay.redirect", (128, 0, 4), 0),
        entry(7, b"data", (132, 0, 4), 0),
    ]
    .concat();
    put(&mut want, 0, &MAGIC.to_le_bytes());
    put(&mut want, 4, &entries);
    put(&mut want, 120, &value(b"value"));
    put(&mut want, 128, b"labl");
    put(&mut want, 132, &value(b"/dir"));
    put(&mut want, 136, b"dddd");
    assert_eq!(area, want);
}

#[test]
fn what_is_no_attribute_goes() {
    let names = names();
    let mut area = b"stale names".to_vec();
    assert!(scrambler(&names).inode(&mut area).unwrap());
    assert_eq!(area, [0; 11]);
    assert!(!scrambler(&names).inode(&mut area).unwrap());
    assert_eq!(inline_data(&area), None);

    // An entry longer than the area, after one that fits.
    let good = entry(2, b"", (0, 0, 0), 0);
    let long = entry(1, &[b'n'; 40], (0, 0, 0), 0);
    let mut area = [&MAGIC.to_le_bytes()[..], &good, &long[..50]].concat();
    let mut want = [&MAGIC.to_le_bytes()[..], &good].concat();
    want.resize(area.len(), 0);
    assert!(scrambler(&names).inode(&mut area).unwrap());
    assert_eq!(area, want);
}

/// A block with two attributes of the user, one with a hash of signed bytes,
/// and one with its value elsewhere.
fn block(names: [&[u8]; 2], values: [&[u8]; 2], elsewhere: &[u8], value_hash: u32) -> Vec<u8> {
    let mut block = vec![0; 1024];
    put(&mut block, 0, &MAGIC.to_le_bytes());
    put(&mut block, 4, &[1, 0, 0, 0, 1]);
    let hashes = [false, true].map(|signed| {
        let at = usize::from(signed);
        entry_hash(names[at], &padded(values[at]), signed)
    });
    let far = entry_hash(elsewhere, &value_hash.to_le_bytes(), false);
    let mut entries = [
        (names[0], entry(1, names[0], (1000, 0, 6), hashes[0])),
        (names[1], entry(1, names[1], (1008, 0, 4), hashes[1])),
        (elsewhere, entry(1, elsewhere, (0, 50, 9), far)),
    ];
    entries.sort();
    let all = entries
        .iter()
        .map(|(_, entry)| u32_at(entry, 12))
        .fold(0u32, |all, hash| all.rotate_left(16) ^ hash);
    put(&mut block, 0x20, &entries.map(|(_, entry)| entry).concat());
    put(&mut block, 1000, values[0]);
    put(&mut block, 1008, values[1]);
    put(&mut block, H_HASH, &all.to_le_bytes());
    let crc = CHECKSUMS.attribute_block(9, &block).unwrap();
    put(&mut block, H_CHECKSUM, &crc.to_le_bytes());
    block
}

#[test]
fn a_block_is_sorted_and_hashed_again() {
    let names = names();
    let [a, b, c] = [b"aaaa", b"b\xe9\xe9b", b"cccc"];
    let mut found = block([a, b], [b"values", b"four"], c, 0x1111_1111);
    // Neither slack nor reserved words stay.
    put(&mut found, 500, b"slack");
    put(&mut found, 0x18, b"reserved");
    let crc = CHECKSUMS.attribute_block(9, &found).unwrap();
    put(&mut found, H_CHECKSUM, &crc.to_le_bytes());
    assert!(!scrambler(&names).block(9, &mut found).unwrap());
    let [a, b, c] = [&a[..], b, c].map(|name| names.map_path(name));
    let values = [value(b"values"), value(b"four")];
    let want = block([&a, &b], [&values[0], &values[1]], &c, 0x2222_2222);
    assert_eq!(found, want);
}

#[test]
fn hashes_that_were_wrong_are_wrong_in_the_same_bits() {
    let names = names();
    let names_of = [&b"aaaa"[..], b"bbbb"];
    let mut found = block(names_of, [b"values", b"four"], b"cccc", 0x1111_1111);
    let first_hash = 0x20 + 12;
    for at in [first_hash, H_HASH, H_CHECKSUM] {
        let wrong = u32_at(&found, at) ^ 0x0001_0000;
        put(&mut found, at, &wrong.to_le_bytes());
    }
    scrambler(&names).block(9, &mut found).unwrap();
    let crc = CHECKSUMS.attribute_block(9, &found).unwrap();
    // Of the checksum the bits depend on what else was wrong.
    assert_ne!(u32_at(&found, H_CHECKSUM), crc);
    let table = Table::parse(&found, BLOCK_ENTRIES_AT, 0);
    let wrong = table.attributes.iter().filter(|attribute| {
        let words = match &attribute.value {
            Some(value) => found[value.start..value.end.next_multiple_of(4)].to_vec(),
            None => 0x2222_2222_u32.to_le_bytes().to_vec(),
        };
        entry_hash(&attribute.name, &words, false) != u32_at(&attribute.header, 12)
    });
    assert_eq!(wrong.count(), 1);
}

#[test]
fn what_a_wrong_length_takes_in_is_not_kept() {
    let names = names();
    // The first entry is 24 bytes longer than it was.
    let mut first = entry(6, b"sel", (0, 0, 0), 0);
    first[0] += 24;
    let second = entry(1, b"secret-name", (0, 0, 0), 0);
    let mut area = [&MAGIC.to_le_bytes()[..], &first, &second, &[0; 20]].concat();
    scrambler(&names).inode(&mut area).unwrap();
    assert!(!area.windows(6).any(|bytes| bytes == b"secret"));

    // The name is taken for an entry.
    first = entry(1, b"name-with-a-secret-and-more", (0, 0, 0), 0);
    first[0] = 0;
    let mut area = [&MAGIC.to_le_bytes()[..], &first, &[0; 200]].concat();
    assert!(scrambler(&names).inode(&mut area).unwrap());
    assert!(area[20..].iter().all(|byte| *byte == 0));

    let label = entry(6, b"selinux", (28, 0, 6), 0);
    let area = [&MAGIC.to_le_bytes()[..], &label, &[0; 4], b"secret\0\0"].concat();
    for is_believed in [true, false] {
        let mut area = area.clone();
        let mut scrambler = scrambler(&names);
        scrambler.is_believed = is_believed;
        scrambler.inode(&mut area).unwrap();
        let kept = area.windows(6).any(|bytes| bytes == b"secret");
        assert_eq!(kept, is_believed);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken(mut bytes in proptest::collection::vec(0u8..20, 0..300)) {
        let names = names();
        let magic = MAGIC.to_le_bytes();
        let length = bytes.len().min(4);
        bytes[..length].copy_from_slice(&magic[..length]);
        let before = bytes.len();
        scrambler(&names).inode(&mut bytes).unwrap();
        if bytes.len() >= 32 {
            scrambler(&names).block(9, &mut bytes).unwrap();
        }
        proptest::prop_assert_eq!(bytes.len(), before);
    }
}
