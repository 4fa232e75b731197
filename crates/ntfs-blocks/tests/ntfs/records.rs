//! Damaged file records.

use ntfs_blocks::{Distrust, Fault, Kind};

use crate::build::{DATA, UNIT, away, here, record};
use crate::image::Image;

#[track_caller]
fn odd(image: &Image, record: u64, fault: Fault) {
    image.corrupt(Distrust::Record { record, fault });
}

#[track_caller]
fn attribute(image: &Image, record: u64, kind: u32, fault: Fault) {
    let kind = Kind(kind);
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
}

/// What is wrong with the record of a file if `bytes` are at `at` of it.
#[track_caller]
fn patched(at: usize, bytes: &[u8], fault: Fault) {
    let mut image = Image::new();
    image.patch(24, at, bytes);
    odd(&image, 24, fault);
}

/// The same, of its contents.
#[track_caller]
fn data(at: usize, bytes: &[u8], fault: Fault) {
    let mut image = Image::new();
    // After an attribute of 72 bytes.
    image.patch(24, 0x38 + 72 + at, bytes);
    attribute(&image, 24, DATA, fault);
}

const fn field(field: &'static str, found: u64) -> Fault {
    Fault::Field { field, found }
}

#[test]
fn records_that_were_not_written_as_a_whole_distrust_the_volume() {
    patched(510, &[8], Fault::Torn { stride: 0 });
    patched(1022, &[8], Fault::Torn { stride: 1 });
    patched(0x30, &[8], Fault::Torn { stride: 0 });
    for (offset, count) in [
        (0x30, 2),
        (0x30, 4),
        (0x31, 3),
        (6, 3),
        (506, 3),
        (0xffff, 3),
    ] {
        let [low, high] = u16::to_le_bytes(offset);
        let fault = Fault::UpdateSequence { offset, count };
        patched(4, &[low, high, count as u8, 0], fault);
    }
    let found = *b"BAAD";
    patched(0, &found, Fault::Signature { found });
}

#[test]
fn fields_of_a_record_are_checked() {
    patched(44, &[25], Fault::Number { found: 25 });
    patched(20, &[0x30, 0], field("its first attribute at byte", 0x30));
    patched(20, &[0x3c, 0], field("its first attribute at byte", 0x3c));
    patched(24, &[1, 4], field("a length of", 1025));
    patched(28, &[0, 2], field("an allocated length of", 512));
    patched(28, &[0, 8], field("an allocated length of", 2048));
}

#[test]
fn a_record_of_before_3_1_has_no_number() {
    let mut image = Image::new();
    let mut old = record(24, &[here(DATA, "", 1, b"x")]);
    old[4] = 0x2a;
    image
        .record_at(24, &old)
        .set(80..85, false)
        .set(100..103, false);
    // The number would be where the update sequence is.
    assert_ne!(image.0[Image::at(24) + 44], 24);
    let filesystem = image.open();
    assert!(filesystem.info().free_bytes > 0, "{:?}", filesystem.trust());
}

#[test]
fn attributes_must_fit_and_end() {
    let mut image = Image::new();
    image.patch(24, 0x38 + 4, &[0, 4, 0, 0]);
    attribute(&image, 24, 0x10, field("a length of", 1024));
    image.patch(24, 0x38 + 4, &[16, 0]);
    attribute(&image, 24, 0x10, field("a length of", 16));
    image.patch(24, 0x38 + 4, &[68, 0]);
    attribute(&image, 24, 0x10, field("a length of", 68));
    // The record ends with its last attribute.
    let mut image = Image::new();
    image.patch(24, 24, &[0x38 + 72 + 80, 0]);
    attribute(&image, 24, 0, Fault::NoEnd);
    data(9, &[200], field("its name at byte", 64));
    data(8, &[2], field("the form", 2));
    let mut image = Image::new();
    image.patch(25, 0x38 + 16, &[100]);
    attribute(&image, 25, DATA, field("its value at byte", 24));
    image.patch(25, 0x38 + 16, &[1, 0, 0, 0, 200]);
    attribute(&image, 25, DATA, field("its value at byte", 200));
}

#[test]
fn lengths_in_clusters_are_checked() {
    data(
        24,
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        field("its last cluster", u64::MAX - 1),
    );
    data(16, &[11], field("its last cluster", 9));
    data(
        24,
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        field("its last cluster", i64::MAX as u64),
    );
    data(48, &[0x01, 0x28], field("a length of", 10_241));
    data(47, &[0x80], field("a length of", 10_000));
    data(56, &[0x11, 0x27], field("an initialized length of", 10_001));
    data(32, &[63, 0], field("its run list at byte", 63));
    data(32, &[81, 0], field("its run list at byte", 81));
    data(
        40,
        &[0, 0x2c],
        Fault::Span {
            found: 10,
            needed: 11,
        },
    );
    data(
        16,
        &[1],
        Fault::Span {
            found: 10,
            needed: 9,
        },
    );
    data(
        24,
        &[10],
        Fault::Span {
            found: 10,
            needed: 11,
        },
    );
}

#[test]
fn run_lists_are_checked() {
    let span = Fault::Span {
        found: 6,
        needed: 10,
    };
    data(64, &[0x11, 5, 80, 0x11, 1, 20, 0], span);
    data(64, &[0x11, 0], Fault::Run { at: 0 });
    data(
        64,
        &[0x21, 5, 200, 0],
        Fault::Outside {
            first: 200,
            length: 5,
        },
    );
    data(
        64,
        &[0x21, 5, 196, 0],
        Fault::Outside {
            first: 196,
            length: 5,
        },
    );
    data(
        64,
        &[0x11, 5, 0xff],
        Fault::Outside {
            first: -1,
            length: 5,
        },
    );
    // No end up to that of the attribute.
    let mut image = Image::new();
    let pairs = [0x11, 5, 80, 0x11, 3, 20, 0x01, 2];
    image.record(&record(24, &[away((DATA, "", 1), 0..10, 10_000, &pairs)]));
    attribute(&image, 24, DATA, Fault::NoEnd);
}

#[test]
fn a_record_that_both_call_unused_is_not_looked_at() {
    // Rubbish, and a record that was written in part.
    for (number, bytes) in [(29, vec![0x5a; UNIT]), (20, vec![0x5a; UNIT])] {
        let mut image = Image::new();
        image.put(Image::at(number), &bytes);
        image.used(0..0, &[]);
    }
    let mut image = Image::new();
    image.put(Image::at(29) + 510, &[9]);
    image.used(0..0, &[]);
    // The bitmap calls it used.
    image.set_record(29, true);
    odd(&image, 29, Fault::Torn { stride: 0 });
    image.put(Image::at(29) + 510, &[7]);
    image.used(0..0, &[]);
    let mut image = Image::new();
    image.set_record(20, true);
    odd(&image, 20, Fault::Signature { found: [0; 4] });
}

#[test]
fn records_of_the_system_must_be_in_use_and_sound() {
    for number in [0, 1, 2, 3, 5, 6, 7] {
        let mut image = Image::new();
        image.patch(number, 22, &[0]);
        odd(&image, number as u64, Fault::NotInUse);
        let mut image = Image::new();
        image.patch(number, 32, &[9]);
        odd(&image, number as u64, Fault::NotInUse);
    }
    for (number, kind) in [(0, DATA), (1, DATA), (2, DATA), (6, DATA), (7, DATA)] {
        let mut image = Image::new();
        image.record(&record(number, &[here(0x10, "", 0, &[0; 48])]));
        attribute(&image, number.into(), kind, Fault::Missing);
    }
    for number in 0..4usize {
        let mut image = Image::new();
        // A byte of the record alone, between its attributes and its end.
        image.put(Image::at(number) + 40, &[1]);
        image.corrupt(Distrust::Mirror {
            record: number as u64,
        });
        let mut image = Image::new();
        image.put((crate::image::MIRROR + number) * UNIT, b"BAAD");
        image.corrupt(Distrust::Mirror {
            record: number as u64,
        });
    }
    // What is after the bytes in use may differ.
    let mut image = Image::new();
    image.put(Image::at(1) + 900, &[1]);
    image.used(0..0, &[]);
}
