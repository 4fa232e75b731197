//! Any byte of what LVM2 writes may be anything.

use std::ops::Range;

use proptest::prelude::*;

use crate::disk::{
    AREA, Bytes, DATA, KIB, crc, disk, extents, free, linear, look, segment, start, text, volume,
    whole,
};

const LABEL: u64 = 512;
const HEADER: u64 = AREA.start;
const TEXT: u64 = HEADER + 512;

fn sound() -> (Bytes, String) {
    let volumes = [
        volume("one", &[segment(1, 0, 3, &linear(0, 2))]),
        volume("two", &[segment(1, 0, 1, &linear(0, 7))]),
    ];
    let text = text(7, 1, &volumes);
    (whole(&text), text)
}

/// What is free if all is sound.
fn wanted() -> [Range<u64>; 3] {
    [extents(0, 0..2), extents(0, 5..7), extents(0, 8..12)]
}

#[test]
fn a_changed_byte_loses_nothing() {
    let (disk, text) = sound();
    assert_eq!(free(&disk), wanted());
    let structures = [
        LABEL..LABEL + 512,
        HEADER..HEADER + 512,
        TEXT..TEXT + text.len() as u64 + 1,
    ];
    for at in structures.into_iter().flatten() {
        let mut changed = disk.clone();
        changed.0[at as usize] ^= 0x41;
        let free = free(&changed);
        // The byte before the checksum's range and the label's own are not covered, but known.
        assert!(free.is_empty() || free == wanted(), "{at:#x}: {free:?}");
    }
}

#[test]
fn a_changed_byte_beneath_a_right_checksum_does_no_harm() {
    let (disk, text) = sound();
    for at in 0..512 {
        for byte in [0, 1, 0x20, 0x7f, 0x80, 0xff] {
            let mut label = disk.clone();
            label.put(LABEL + at, &[byte]).sign_label(LABEL);
            let mut header = disk.clone();
            header.put(HEADER + at, &[byte]).sign_area(HEADER);
            for changed in [label, header] {
                let free = free(&changed);
                assert!(free.is_empty() || free == wanted(), "{at:#x}: {free:?}");
            }
        }
    }
    for at in 0..text.len() as u64 {
        for byte in *b"\0\n\"#19[{}\\=,\xff" {
            let mut changed = disk.clone();
            changed.put(TEXT + at, &[byte]);
            sign_text(&mut changed, text.len() + 1);
            look(&changed, |_, free| {
                let inside = free.iter().all(|range| range.start >= DATA);
                assert!(inside, "{free:?}");
            });
        }
    }
}

/// Makes the checksums of a text of `bytes` bytes right.
fn sign_text(disk: &mut Bytes, bytes: usize) {
    let text = TEXT as usize..TEXT as usize + bytes;
    let sum = crc(&disk.0[text]);
    disk.u32(HEADER + 56, sum).sign_area(HEADER);
}

#[test]
fn the_longest_text_takes_no_time() {
    // A million values in one section, the most that are read, and one more.
    let names: String = (0..1 << 20).map(|n| format!("v{n:x}=1\n")).collect();
    let area = 24 << 20;
    let mut disk = Bytes(vec![0; area + (1 << 20)]);
    let id = crate::disk::IDS[0];
    let range = HEADER..HEADER + area as u64;
    disk.label(0, id, &[range]);
    disk.u64(LABEL + 72, HEADER + area as u64).sign_label(LABEL);
    disk.area(HEADER, HEADER, area as u64, 512, &names);
    look(&disk, |report, _| {
        let why = report.kept_whole.as_ref().unwrap().to_string();
        let want =
            "metadata text, outside of the group: contents is not \"Text Format Volume Group\"";
        assert_eq!(why, want);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of volumes anywhere, no byte that a segment has is free, and no other is used.
    #[test]
    fn what_segments_have_is_used(
        places in proptest::collection::vec((0..2usize, 0..10u64, 1..4u64), 0..5),
    ) {
        let volumes: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(index, (member, first, count))| {
                let segment = segment(1, 0, *count, &linear(*member, *first));
                volume(&format!("v{index}"), &[segment])
            })
            .collect();
        let disk = disk(2, &text(1, 2, &volumes));
        let mut owners = [[0; 16]; 2];
        for (member, first, count) in &places {
            for extent in *first..first + count {
                owners[*member][extent as usize] += 1;
            }
        }
        let is_sound = owners.iter().all(|all| {
            all[..12].iter().all(|count| *count <= 1) && all[12..] == [0; 4]
        });
        let found = free(&disk);
        for (member, all) in owners.iter().enumerate() {
            for (extent, count) in (0..12).zip(all) {
                let bytes = extents(start(member), extent..extent + 1);
                let is_free = found.iter().any(|range| {
                    range.start <= bytes.start && bytes.end <= range.end
                });
                prop_assert_eq!(is_free, is_sound && *count == 0);
            }
        }
        let total: u64 = found.iter().map(|range| range.end - range.start).sum();
        prop_assert!(total <= 24 * 4 * KIB);
    }
}
