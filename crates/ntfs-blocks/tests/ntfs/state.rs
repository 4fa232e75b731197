//! Volumes that were not unmounted, hibernation and shadow copies.

use ntfs_blocks::{Distrust, ErrorKind, Fault, Finding, Kind};

use crate::build::{DATA, UNIT, away, block, entry, here, last, record, root};
use crate::image::{INDEX, Image};

/// Where the flags of the volume are: after a name of 40 bytes and the head of the value.
const INFORMATION: usize = 0x38 + 40 + 24;

#[test]
fn a_volume_that_was_not_unmounted_keeps_everything() {
    for flags in [0x0001u16, 0x4000, 0x0040, 0x1000, 0x8001] {
        let mut image = Image::new();
        image.patch(3, INFORMATION + 10, &flags.to_le_bytes());
        image.kept(Distrust::Dirty { flags }, ErrorKind::Unclean);
    }
    for flags in [0x0002u16, 0x0004, 0x0008, 0x0010, 0x0020, 0x8000, 0x803e] {
        let mut image = Image::new();
        image.patch(3, INFORMATION + 10, &flags.to_le_bytes());
        image.used(0..0, &[]);
    }
}

#[test]
fn versions_are_known_or_keep_everything() {
    for (major, minor) in [(0, 0), (1, 1), (2, 0), (3, 2), (4, 1)] {
        let mut image = Image::new();
        image.patch(3, INFORMATION + 8, &[major, minor]);
        image.kept(Distrust::Version { major, minor }, ErrorKind::Unsupported);
        assert_eq!(image.open().info().version, Some((major, minor)));
    }
    for (major, minor) in [(1, 2), (3, 0)] {
        let mut image = Image::new();
        image.patch(3, INFORMATION + 8, &[major, minor]);
        image.used(0..0, &[]);
    }
    let mut image = Image::new();
    image.record(&record(3, &[here(0x70, "", 2, &[0; 11])]));
    let (record, kind, fault) = (3, Kind(0x70), Fault::Missing);
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
}

/// The volume with a file of four clusters that is called `name`, and begins with `bytes`.
fn with_file(name: &str, bytes: &[u8]) -> Image {
    let mut image = Image::new();
    image.put(
        INDEX * UNIT,
        &block(&[entry(24, "file"), entry(25, name), last()]),
    );
    image.record(&record(
        25,
        &[away((DATA, "", 1), 0..4, 4096, &[0x21, 4, 150, 0, 0])],
    ));
    image
        .set(150..154, true)
        .put(150 * UNIT, &[0; 4096])
        .put(150 * UNIT, bytes);
    image
}

#[test]
fn a_system_that_hibernates_keeps_everything() {
    for name in ["hiberfil.sys", "HIBERFIL.SYS", "HiberFil.sys"] {
        for signature in [*b"hibr", *b"HIBR", *b"RSTR", *b"rstr", [0, 0, 0, 1]] {
            let image = with_file(name, &signature);
            image.kept(Distrust::Hibernated { signature }, ErrorKind::Unclean);
        }
        let mut image = with_file(name, &[]);
        image.put(153 * UNIT + 1023, &[1]);
        image.kept(
            Distrust::Hibernated { signature: [0; 4] },
            ErrorKind::Unclean,
        );
        for bytes in [&b"wake"[..], b"WAKE", &[]] {
            with_file(name, bytes).used(150..154, &[]);
        }
    }
    for name in [
        "hiberfil.syz",
        "hiberfil.sy",
        "pagefile.sys",
        "hiberfil.sys2",
    ] {
        with_file(name, b"hibr").used(150..154, &[]);
    }
    // In the root of the index.
    let mut image = with_file("other", b"hibr");
    image.record(&record(
        5,
        &[here(
            0x90,
            "$I30",
            1,
            &root(&[entry(25, "hiberfil.sys"), last()]),
        )],
    ));
    let signature = *b"hibr";
    image.kept(Distrust::Hibernated { signature }, ErrorKind::Unclean);
}

#[test]
fn a_hibernation_file_that_cannot_be_read_keeps_everything() {
    let short = |bytes| Distrust::HibernationFile { bytes };
    let mut image = with_file("hiberfil.sys", &[]);
    image.record(&record(25, &[here(DATA, "", 1, &[])]));
    image.kept(short(0), ErrorKind::Unclean);
    let mut image = with_file("hiberfil.sys", &[]);
    image
        .patch(25, 0x38 + 48, &[0xff, 0x0f])
        .patch(25, 0x38 + 56, &[0xff, 0x0f]);
    image.kept(short(4095), ErrorKind::Unclean);
    let mut image = with_file("hiberfil.sys", &[]);
    image.patch(25, 0x38 + 12, &[1]);
    image.kept(short(4096), ErrorKind::Unclean);
    // Its record is gone, reused, or does not exist.
    let fault = Fault::NotInUse;
    let mut image = with_file("hiberfil.sys", &[]);
    image.patch(25, 22, &[0]);
    image.corrupt(Distrust::Record { record: 25, fault });
    let mut image = with_file("hiberfil.sys", &[]);
    image.patch(25, 16, &[2]);
    image.corrupt(Distrust::Record { record: 25, fault });
    let mut image = Image::new();
    image.put(INDEX * UNIT, &block(&[entry(99, "hiberfil.sys"), last()]));
    image.corrupt(Distrust::Record {
        record: 99,
        fault: Fault::Missing,
    });
    let mut image = with_file("hiberfil.sys", &[]);
    image.record(&record(25, &[here(0x10, "", 0, &[0; 48])]));
    let (record, kind, fault) = (25, Kind(DATA), Fault::Missing);
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
}

#[test]
fn a_root_directory_that_cannot_be_searched_keeps_everything() {
    let index = |image: &Image, block, fault| image.corrupt(Distrust::Index { block, fault });
    let mut image = Image::new();
    image.put(INDEX * UNIT + 510, &[1]);
    index(&image, 1, Fault::Torn { stride: 0 });
    let mut image = Image::new();
    image.put(INDEX * UNIT, b"BAAD");
    index(&image, 1, Fault::Signature { found: *b"BAAD" });
    let field = |field, found| Fault::Field { field, found };
    for (at, value, fault) in [
        (28, &[0xff, 0xff][..], field("entries up to byte", 0xffff)),
        (28, &[4], field("entries up to byte", 4)),
        (48 + 8, &[15], field("an entry of the length", 15)),
        (48 + 8, &[0], field("an entry of the length", 0)),
        (48 + 8, &[0, 4], field("an entry of the length", 1024)),
        (48 + 80, &[200], field("a name of the length", 200)),
    ] {
        let mut image = Image::new();
        image.put(INDEX * UNIT + at, value);
        index(&image, 1, fault);
    }
    // Without the entry that ends it.
    let mut image = Image::new();
    image.put(INDEX * UNIT, &block(&[entry(24, "file")]));
    index(&image, 1, field("an entry of the length", 0));
    let mut image = Image::new();
    image.record(&record(5, &[here(0x90, "$I30", 1, &root(&[]))]));
    index(&image, 0, field("an entry of the length", 0));
    let mut image = Image::new();
    image.patch(5, 0x38 + 32 + 8, &[1, 4]);
    index(&image, 0, field("a block size of", 1025));
    let missing = |image: &Image, kind| {
        let (record, kind, fault) = (5, Kind(kind), Fault::Missing);
        image.corrupt(Distrust::Attribute {
            record,
            kind,
            fault,
        });
    };
    let mut image = Image::new();
    image.patch(5, 0x38 + 24, b"X");
    missing(&image, 0x90);
    let mut image = Image::new();
    // The bitmap of the index, after its root and its blocks.
    image.patch(5, 0x38 + 80 + 80, &[0xc0]);
    missing(&image, 0xb0);
}

#[test]
fn blocks_of_the_index_that_are_not_in_use_are_not_searched() {
    let mut image = with_file("hiberfil.sys", b"hibr");
    image.record(&record(
        5,
        &[
            here(0x90, "$I30", 1, &root(&[last()])),
            away((0xa0, "$I30", 2), 0..1, 1024, &[0x11, 1, 71, 0]),
            here(0xb0, "$I30", 3, &[0; 8]),
        ],
    ));
    image.used(150..154, &[]);
}

#[test]
fn more_hibernation_files_than_letters_make_keep_everything() {
    let mut image = with_file("hiberfil.sys", &[]);
    let mut entries = vec![entry(25, "hiberfil.sys"); 8];
    entries.push(last());
    let pairs = [0x11, 1, 71, 0x11, 9, 84, 0];
    image.set(155..164, true);
    for cluster in (155..164).chain([INDEX]) {
        image.put(cluster * UNIT, &block(&entries));
    }
    image.record(&record(
        5,
        &[
            here(0x90, "$I30", 1, &root(&[last()])),
            away((0xa0, "$I30", 2), 0..10, 10_240, &pairs),
            here(0xb0, "$I30", 3, &[0xff, 3, 0, 0, 0, 0, 0, 0]),
        ],
    ));
    let (what, limit) = ("files of one name in the root directory", 64);
    image.kept(Distrust::TooMany { what, limit }, ErrorKind::Unsupported);
}

/// A header of shadow copies.
fn shadow(catalog: u64, storage: u8) -> Image {
    let mut image = Image::new();
    let signature = b"\x6b\x87\x08\x38\x76\xc1\x48\x4e\xb7\xae\x04\x04\x6e\x6c\xc7\x52";
    image
        .put(0x1e00, signature)
        .put(0x1e00 + 16, &[1, 0, 0, 0, 1]);
    image.put(0x1e00 + 48, &catalog.to_le_bytes());
    image
        .put(0x1e00 + 64, &[7; 16])
        .put(0x1e00 + 80, &[storage; 16]);
    image
}

#[test]
fn shadow_copies_keep_everything() {
    for (catalog, storage) in [(0x10_0000, 7), (0x10_0000, 0), (0, 8)] {
        let image = shadow(catalog, storage);
        image.kept(Distrust::ShadowCopies { catalog }, ErrorKind::Unsupported);
    }
    for storage in [0, 7] {
        shadow(0, storage).used(0..0, &[]);
    }
    let mut image = shadow(1, 7);
    image.put(0x1e00, &[0]);
    image.used(0..0, &[]);
    // Their store, without a header.
    let store = "{00112233-4455-6677-8899-aabbccddeeff}{3808876b-c176-4e48-b7ae-04046e6cc752}";
    let mut image = Image::new();
    image.record(&record(25, &[here(0x30, "", 1, &entry(5, store)[16..])]));
    let catalog = 0;
    image.kept(Distrust::ShadowCopies { catalog }, ErrorKind::Unsupported);
    let catalog = &store[38..];
    image.record(&record(25, &[here(0x30, "", 1, &entry(5, catalog)[16..])]));
    image.used(0..0, &[]);
    let unreferenced = Finding::Unreferenced { clusters: 1 };
    image.set(150..151, true).used(150..151, &[unreferenced]);
}
