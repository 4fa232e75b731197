//! `$LogFile`.

use ntfs_blocks::{Distrust, ErrorKind, Fault, Kind, LogFault};

use crate::build::{DATA, UNIT, away, here, record, seal};
use crate::image::{Image, LOG};

/// A restart page that says how far the journal was written, and what its flags are.
fn page(current: u64, client: u16, flags: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RSTR");
    put(4, &[30, 0, 9, 0]);
    put(16, &4096u32.to_le_bytes());
    put(20, &4096u32.to_le_bytes());
    // The restart area, and version 1.1.
    put(24, &[48, 0, 1, 0, 1, 0]);
    put(48, &current.to_le_bytes());
    put(48 + 8, &[1, 0, 0xff, 0xff]);
    put(48 + 12, &client.to_le_bytes());
    put(48 + 14, &flags.to_le_bytes());
    seal(&mut page);
    page
}

fn with(pages: &[Vec<u8>; 2]) -> Image {
    let mut image = Image::new();
    image.put(LOG * UNIT, &pages.concat());
    image
}

#[track_caller]
fn kept(image: &Image, fault: LogFault, kind: ErrorKind) {
    image.kept(Distrust::Log(fault), kind);
}

const CLOSED: u16 = 0xffff;

#[test]
fn a_journal_that_was_closed_is_clean() {
    with(&[page(9, 0, 2), page(9, 0, 2)]).used(0..0, &[]);
    with(&[page(9, CLOSED, 0), page(9, CLOSED, 0)]).used(0..0, &[]);
    // An older page may have been written while it was open.
    with(&[page(9, 0, 2), page(8, 0, 0)]).used(0..0, &[]);
    with(&[page(8, 0, 0), page(9, CLOSED, 0)]).used(0..0, &[]);
}

#[test]
fn a_journal_that_was_not_closed_keeps_everything() {
    let open = |at| LogFault::Open { at };
    for (pages, at) in [
        ([page(9, 0, 0), page(9, 0, 0)], 0),
        ([page(9, 0, 2), page(9, 0, 0)], 4096),
        ([page(9, 0, 0), page(8, 0, 2)], 0),
        ([page(8, 0, 2), page(9, 0, 1)], 4096),
        ([page(u64::MAX, 0, 0), page(0, 0, 2)], 0),
    ] {
        kept(&with(&pages), open(at), ErrorKind::Unclean);
    }
}

#[test]
fn damaged_restart_pages_keep_everything() {
    let good = || page(9, 0, 2);
    let wrong = |image: &Image, at, fault| {
        kept(image, LogFault::Page { at, fault }, ErrorKind::Corrupt);
    };
    let mut image = with(&[good(), good()]);
    image.put(LOG * UNIT + 4096 + 510, &[9]);
    wrong(&image, 4096, Fault::Torn { stride: 0 });
    let mut image = with(&[good(), good()]);
    image.put(LOG * UNIT + 4094, &[9]);
    wrong(&image, 0, Fault::Torn { stride: 7 });
    for found in [*b"CHKD", *b"RCRD", [0; 4]] {
        let fault = Fault::Signature { found };
        let mut image = with(&[good(), good()]);
        image.put(LOG * UNIT + 4096, &found);
        wrong(&image, 4096, fault);
        let mut image = with(&[good(), good()]);
        image.put(LOG * UNIT, &found);
        wrong(&image, 0, fault);
    }
    for found in [0, 1000, 8192, 1 << 31] {
        let mut image = with(&[good(), good()]);
        image.put(LOG * UNIT + 16, &(found as u32).to_le_bytes());
        wrong(
            &image,
            0,
            Fault::Field {
                field: "a page size of",
                found,
            },
        );
    }
    for found in [0, 40, 52, 4056, 0xffff] {
        let mut image = with(&[good(), good()]);
        image.put(LOG * UNIT + 24, &(found as u16).to_le_bytes());
        wrong(
            &image,
            0,
            Fault::Field {
                field: "its restart area at byte",
                found,
            },
        );
    }
}

#[test]
fn versions_that_leave_more_in_the_journal_keep_everything() {
    for (major, minor) in [(2, 0), (1, 2), (0, 0), (0xffff, 0)] {
        let mut image = with(&[page(9, 0, 2), page(9, 0, 2)]);
        image.put(LOG * UNIT + 26, &u16::to_le_bytes(minor));
        image.put(LOG * UNIT + 28, &u16::to_le_bytes(major));
        let fault = LogFault::Version { major, minor };
        kept(&image, fault, ErrorKind::Unsupported);
    }
    let mut image = with(&[page(9, 0, 2), page(9, 0, 2)]);
    image.put(LOG * UNIT + 26, &[0]);
    image.used(0..0, &[]);
}

#[test]
fn an_empty_journal_holds_nothing_at_all() {
    for (at, value) in [(4, 0), (5000, 0xfe), (8191, 0x7f)] {
        let mut image = Image::new();
        image.put(LOG * UNIT + at, &[value]);
        let mut found = [0xff; 4];
        found[at % 4] = value;
        let fault = Fault::Signature { found };
        let at = at as u64 / 4 * 4;
        kept(&image, LogFault::Page { at, fault }, ErrorKind::Corrupt);
    }
}

#[test]
fn the_journal_must_be_stored() {
    let mut image = Image::new();
    image.patch(2, 0x38 + 64, &[0x01, 8, 0]);
    let bytes = 8192;
    kept(&image, LogFault::Length { bytes }, ErrorKind::Corrupt);
    let mut image = Image::new();
    image.patch(2, 0x38 + 56, &[0xff, 0x1f]);
    kept(&image, LogFault::Length { bytes }, ErrorKind::Corrupt);
    let mut image = Image::new();
    image.record(&record(
        2,
        &[away((DATA, "", 1), 0..4, 4096, &[0x11, 4, 60, 0])],
    ));
    kept(&image, LogFault::Length { bytes: 4096 }, ErrorKind::Corrupt);
    let mut image = Image::new();
    image.record(&record(2, &[here(DATA, "", 1, &[0xff; 100])]));
    let (record, kind, fault) = (2, Kind(DATA), Fault::Missing);
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
}
