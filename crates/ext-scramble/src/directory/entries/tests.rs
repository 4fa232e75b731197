use super::*;

const PLAIN: Format = Format {
    block_bytes: 1024,
    has_hash: false,
    has_data: false,
};

/// An entry of `length` bytes, whose room after the name holds `x`.
fn entry(inode: u32, length: u16, file_type: u8, name: &[u8]) -> Vec<u8> {
    let mut bytes = inode.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend([u8::try_from(name.len()).unwrap(), file_type]);
    bytes.extend(name);
    bytes.resize(usize::from(length).max(bytes.len()), b'x');
    bytes
}

/// The entry with zeros after the name.
fn clean(inode: u32, length: u16, file_type: u8, name: &[u8]) -> Vec<u8> {
    let mut bytes = entry(inode, length, file_type, name);
    bytes[8 + name.len()..].fill(0);
    bytes
}

fn upper(name: &[u8]) -> Vec<u8> {
    name.to_ascii_uppercase()
}

#[track_caller]
fn renames(format: Format, area: &[u8], want: &[u8], rewritten: (u64, bool)) {
    let mut area = area.to_vec();
    let (names, cleared) = rewritten;
    assert_eq!(
        rename(&mut area, format, upper),
        Rewritten {
            names,
            cleared,
            has_other_than_ascii: false,
        }
    );
    assert_eq!(area, want);
}

#[test]
fn entries_stay_where_they_are_and_slack_goes() {
    let area = [
        entry(12, 24, 1, b"file"),
        entry(0, 16, 2, b"gone"),
        entry(13, 984, 7, b"l"),
    ];
    let want = [
        clean(12, 24, 1, b"FILE"),
        clean(0, 16, 0, b""),
        clean(13, 984, 7, b"L"),
    ];
    renames(PLAIN, &area.concat(), &want.concat(), (2, false));
}

#[test]
fn hashes_behind_names_stay() {
    let format = Format {
        has_hash: true,
        ..PLAIN
    };
    let mut area = entry(12, 40, 1, b"names");
    area[16..24].copy_from_slice(b"12345678");
    let mut want = clean(12, 40, 1, b"NAMES");
    want[16..24].copy_from_slice(b"12345678");
    renames(format, &area, &want, (1, false));
    // Where there is no room for one, there is not an entry.
    let mut broken = vec![0; 16];
    broken[4..7].copy_from_slice(&[16, 0, 5]);
    renames(format, &entry(12, 16, 1, b"names"), &broken, (0, true));
}

#[test]
fn data_behind_names_stays() {
    let format = Format {
        has_data: true,
        ..PLAIN
    };
    let mut area = entry(12, 40, 0x31, b"names");
    area[13..21].copy_from_slice(b"\0\x03ab\x04cde");
    let mut want = clean(12, 40, 0x31, b"NAMES");
    want[13..21].copy_from_slice(b"\0\x03ab\x04cde");
    renames(format, &area, &want, (1, false));
}

#[test]
fn what_is_no_entry_keeps_its_lengths_alone() {
    let good = entry(12, 12, 1, b"ok");
    let want = clean(12, 12, 1, b"OK");
    for (length, name) in [
        (8, &b"a"[..]),
        (14, b"a"),
        (0, b"secret"),
        (32, b"name"),
        (12, b"longer"),
    ] {
        let mut broken = entry(7, length, 1, name);
        broken.resize(20, b's');
        let mut cleared = vec![0; 20];
        cleared[4..7].copy_from_slice(&broken[4..7]);
        renames(
            PLAIN,
            &[&good[..], &broken].concat(),
            &[&want[..], &cleared].concat(),
            (1, true),
        );
    }
    // Too short for an entry.
    renames(
        PLAIN,
        &[&good[..], b"abcd"].concat(),
        &[&want[..], &[0; 4]].concat(),
        (1, true),
    );
    // An area of zeros is not an entry, but nothing is lost.
    renames(PLAIN, &[0; 64], &[0; 64], (0, false));
}

#[test]
fn entries_of_64_kib_blocks() {
    let format = Format {
        block_bytes: 65536,
        ..PLAIN
    };
    for stored in [0, 0xffff] {
        let mut area = entry(0, 12, 0, b"old");
        area.resize(65536, b'x');
        format.set_length(&mut area, 0, stored);
        let mut want = vec![0; 65536];
        format.set_length(&mut want, 0, stored);
        renames(format, &area, &want, (0, false));
    }
    let mut area = [0; 8];
    format.set_length(&mut area, 0, 65536);
    assert_eq!(area[4..6], [0xff, 0xff]);
    format.set_length(&mut area, 0, 65524);
    assert_eq!(format.length(u16_at(&area, 4)), 65524);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, has_hash: bool, has_data: bool) {
        let mut area = bytes.clone();
        rename(&mut area, Format { has_hash, has_data, ..PLAIN }, upper);
        proptest::prop_assert_eq!(area.len(), bytes.len());
        // What is clean stays clean.
        let mut again = area.clone();
        rename(&mut again, Format { has_hash, has_data, ..PLAIN }, upper);
        proptest::prop_assert_eq!(again, area);
    }
}
