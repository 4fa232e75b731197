//! Every byte of small images changed, and every length that they can be cut to;
//! and entries of tables that are changed at random.
//!
//! Other bytes than those of the disk may come out only where no table could tell:
//! a second reader must find nothing that is wrong in itself or disagrees with
//! anything else, and read the same.

mod encrypted;
mod images;
mod mutations;
mod subject;
mod watch;
mod witness;

use std::ops::Range;

use crate::builder::{DEFLATE, ZSTD, mixed_counted};
use crate::common::{L1, L2_FIRST, L2_SECOND, base, put64};
use crate::reading::{snapshots, subclusters};
use mutations::{Mutation, mutations};
use proptest::prelude::*;
use qcow2_reader::BackingFormat;
use subject::Subject;

/// Clusters of 16 KiB that are metadata, of which the start is used.
fn long_tables(subject: &mut Subject) {
    for start in [0, 0x4000, 0x8000, 0xc000, 0x10000] {
        let rare = (start + 512..start + 0x4000, 1);
        subject.image().rare.push(rare);
    }
}

#[test]
fn of_subclusters() {
    let mut subject = Subject::new("extended L2", subclusters::image());
    long_tables(&mut subject);
    let length = subject.image().bytes.len();
    subject.image().rare.push((subclusters::FIRST..length, 61));
    subject.examine();
}

#[test]
fn of_streams() {
    for (name, compression) in [("zlib", DEFLATE), ("zstd", ZSTD)] {
        let (image, data) = mixed_counted(9, compression, 12);
        let mut subject = Subject::new(name, image);
        subject.image().data.push(data);
        subject.examine();
    }
}

#[test]
fn of_snapshots() {
    for snapshot in [None, Some(b"two".to_vec())] {
        let mut subject = Subject::new("snapshot", snapshots::counted());
        subject.image().data.push(0xc00..0x1640);
        subject.piped = snapshot.is_none();
        subject.options.snapshot = snapshot;
        subject.examine();
    }
}

#[test]
fn of_header_extensions() {
    let mut subject = Subject::new("extensions", images::extended());
    subject.image().data.push(images::DATA..0x1800);
    subject.examine();
}

#[test]
fn of_version_2_over_a_raw_file() {
    let raw = images::raw(7000);
    let mut subject = Subject::new("version 2", images::version_2());
    let length = subject.image().bytes.len();
    subject.image().data.push(images::DATA..length);
    let mut subject = subject.with(b"below", Some(BackingFormat::Raw), raw);
    subject.parts[1].rare.push((0..7000, 7));
    subject.examine();
}

#[test]
fn of_a_data_file() {
    let subject = Subject::new("data file", images::with_data_file());
    let mut subject = subject.with(b"data", None, images::raw(40_000));
    subject.parts[1].rare.push((0..39_900, 61));
    subject.examine();
}

#[test]
fn of_a_chain() {
    let top = images::over_below(b"qcow2");
    let mut below = base();
    for (at, byte) in below.iter_mut().enumerate().skip(0xc00) {
        *byte = if at % 3 == 0 { 1 } else { 2 };
    }
    put64(&mut below, L2_FIRST + 7 * 8, 0x8000_0000_0000_0c00);
    put64(&mut below, L2_FIRST, 0);
    put64(&mut below, L2_SECOND, 0x8000_0000_0000_1600);
    put64(&mut below, L2_SECOND + 14 * 8, 0);
    below.resize(0x1800, 3);
    let mut subject = Subject::new("top", top).with(b"below", Some(BackingFormat::Qcow2), below);
    let length = subject.image().bytes.len();
    subject.image().data.push(0xc00..length);
    subject.parts[1].data.push(0xc00..0x1800);
    subject.examine();
}

#[test]
fn the_second_reader_sees_what_disagrees() {
    let is_sound = |patches: &[(usize, u64)]| {
        let mut image = images::whole();
        for (at, word) in patches {
            put64(&mut image, *at, *word);
        }
        witness::Witness::of(&image, None).is_some_and(|image| image.is_sound())
    };
    assert!(is_sound(&[]));
    for patch in [
        // No refcounts, a cluster with the wrong number of uses.
        (0x200, 0),
        (L2_FIRST + 8, 0x0c00),
        // Data that is a table, and a stream where data is.
        (L2_FIRST, 0x0600),
        (L2_FIRST, 1 << 62 | 0x1010),
    ] {
        let (at, word) = patch;
        assert!(!is_sound(&[patch]), "{at:#x} {word:#x}");
    }
}

/// The subject with these changes is read as its tables say, or refused.
fn holds(subject: &Subject, tables: &[Range<usize>], refcounts: usize, by: &[Mutation]) {
    let image = subject.mutated(by, tables, refcounts);
    let fault = subject.fault(&[&image], &subject.want(), true);
    assert_eq!(fault, None, "{}", subject.name);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn of_plain_entries_at_random(by in mutations()) {
        let subject = Subject::new("plain", images::whole());
        holds(&subject, &[0x200..0x210, L1..0x610, L2_FIRST..images::DATA], 0x400, &by);
    }

    #[test]
    fn of_entries_of_streams_at_random(by in mutations()) {
        let (image, data) = mixed_counted(9, DEFLATE, 12);
        let block = image.len() - 512;
        let tables = [0x200..0x208, 0x400..data.start, block - 512..block - 504];
        holds(&Subject::new("streams", image), &tables, block, &by);
    }

    #[test]
    fn of_entries_of_snapshots_at_random(by in mutations()) {
        let subject = Subject::new("snapshots", snapshots::counted());
        let tables = [L1..0x610, L2_FIRST..images::DATA, 0x1800..0x1880, 0x1a00..0x2000];
        holds(&subject, &tables, 0x400, &by);
    }
}
