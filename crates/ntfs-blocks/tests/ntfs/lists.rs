//! Files with more than one record.

use ntfs_blocks::{Distrust, Fault, Finding, Kind};

use crate::build::{DATA, LIST, away, extension, here, listed, record};
use crate::image::Image;

const DATA_KIND: Kind = Kind(DATA);

#[track_caller]
fn lost(image: &Image, holder: u64) {
    let (record, kind) = (26, DATA_KIND);
    image.corrupt(Distrust::Lost {
        record,
        holder,
        kind,
    });
}

/// The volume, with another list.
fn with(list: &[Vec<u8>]) -> Image {
    let mut image = Image::new();
    image.record(&record(
        26,
        &[
            here(0x10, "", 0, &[0; 48]),
            here(LIST, "", 1, &list.concat()),
        ],
    ));
    image
}

#[test]
fn a_part_that_is_not_there_distrusts_the_volume() {
    // No longer in use, of another file, reused, and with another attribute.
    let mut image = Image::new();
    image.patch(28, 22, &[0]);
    lost(&image, 28);
    let mut image = Image::new();
    image.patch(28, 32, &[25]);
    lost(&image, 28);
    let mut image = Image::new();
    image.patch(28, 16, &[2]);
    lost(&image, 28);
    let mut image = Image::new();
    image.patch(28, 0x38 + 14, &[3]);
    lost(&image, 28);
    let mut image = Image::new();
    image.patch(27, 32 + 6, &[2]);
    lost(&image, 27);
    // A record that does not exist, or is none.
    lost(&with(&[listed(DATA, 0, 1000, 0)]), 1000);
    lost(&with(&[listed(DATA, 0, 12, 0)]), 12);
}

#[test]
fn parts_must_follow_each_other() {
    let gap = Distrust::Gap {
        record: 26,
        kind: DATA_KIND,
    };
    let first = || listed(DATA, 0, 27, 0);
    with(&[listed(DATA, 4, 28, 0)]).corrupt(gap);
    with(&[listed(DATA, 4, 28, 0), first()]).corrupt(gap);
    let mut image = Image::new();
    let part = away((DATA, "", 0), 5..8, 0, &[0x11, 3, 120, 0]);
    image.record(&extension(28, 26, &[part]));
    let mut list = listed(DATA, 5, 28, 0);
    list[0] = 0x80;
    image.record(&record(26, &[here(LIST, "", 1, &[first(), list].concat())]));
    image.corrupt(gap);
    // The last part is missing.
    let (record, kind) = (26, DATA_KIND);
    let (found, needed) = (4, 7);
    let fault = Fault::Span { found, needed };
    with(&[first()]).corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
}

#[test]
fn parts_that_no_list_names_are_used_all_the_same() {
    with(&[]).used(0..0, &[]);
}

#[test]
fn entries_of_a_list_are_checked() {
    let odd = |found| Distrust::Attribute {
        record: 26,
        kind: Kind(LIST),
        fault: Fault::Field {
            field: "an entry of the length",
            found,
        },
    };
    for (at, value, found) in [
        (4, 24, 24),
        (4, 30, 30),
        (4, 40, 40),
        (4, 0, 0),
        (6, 4, 32),
        (7, 33, 32),
    ] {
        let mut entry = listed(DATA, 0, 27, 0);
        entry[at] = value;
        with(&[entry]).corrupt(odd(found));
    }
}

#[test]
fn a_list_may_lie_in_clusters() {
    let list = [listed(DATA, 0, 27, 0), listed(DATA, 4, 28, 0)].concat();
    let mut image = Image::new();
    image.put(150 * 1024, &list);
    let away = |bytes: u64| away((LIST, "", 1), 0..1, bytes, &[0x21, 1, 150, 0, 0]);
    image.record(&record(26, &[away(64)]));
    let referenced = Finding::Referenced {
        record: 26,
        first: 150,
        clusters: 1,
    };
    image.used(150..151, &[referenced]);
    image.set(150..151, true).used(150..151, &[]);
    image.put(150 * 1024 + 16, &[20]);
    lost(&image, 20);
    // With bytes that are not stored.
    image.patch(26, 0x38 + 64, &[0x01, 1, 0]);
    let odd = |fault| Distrust::Attribute {
        record: 26,
        kind: Kind(LIST),
        fault,
    };
    image.corrupt(odd(Fault::Holes));
    image.patch(26, 0x38 + 64, &[0x21, 1, 200, 0]);
    image.corrupt(odd(Fault::Outside {
        first: 200,
        length: 1,
    }));
}

#[test]
fn a_list_that_is_too_long_distrusts_the_volume() {
    let mut image = Image::new();
    let bytes = (256 << 10) + 1;
    let list = away((LIST, "", 1), 0..257, bytes, &[0x12, 1, 1, 0, 0]);
    image.record(&record(26, &[list]));
    let fault = Fault::Outside {
        first: 0,
        length: 257,
    };
    let odd = |fault| Distrust::Attribute {
        record: 26,
        kind: Kind(LIST),
        fault,
    };
    image.corrupt(odd(fault));
    // On a disk that has as many clusters.
    let clusters = 600u64;
    image.0.resize(clusters as usize * 1024, 0xa5);
    image.put(40, &(clusters * 2).to_le_bytes());
    image.patch(6, 0x38 + 48, &[80]).patch(6, 0x38 + 56, &[80]);
    image
        .put(70 * 1024 + 25, &[0; 50])
        .put(70 * 1024 + 75, &[0xff; 5]);
    let list = away((LIST, "", 1), 0..257, bytes, &[0x22, 1, 1, 0x2c, 1, 0]);
    image.record(&record(26, &[list]));
    let (found, limit) = (bytes, 256 << 10);
    image.corrupt(odd(Fault::TooLong { found, limit }));
}

/// `$MFT` in two parts: the second, of records 16 to 31, is told by record 12, which the
/// first has.
fn mft_in_parts(holder: u32) -> Image {
    let mut image = Image::new();
    let second = image.0[Image::at(16)..Image::at(32)].to_vec();
    image
        .put(130 * 1024, &second)
        .put(Image::at(16), &[0xa5; 16 * 1024]);
    image.set(130..146, true).set(26..42, false);
    let list = [
        listed(DATA, 0, 0, 1),
        listed(DATA, 16, holder.into(), 5),
        listed(0xb0, 0, 0, 2),
    ];
    image.record(&record(
        0,
        &[
            here(LIST, "", 3, &list.concat()),
            away((DATA, "", 1), 0..16, 32 * 1024, &[0x11, 16, 10, 0]),
            away((0xb0, "", 2), 0..1, 8, &[0x11, 1, 8, 0]),
        ],
    ));
    let part = away((DATA, "", 5), 16..32, 0, &[0x21, 16, 130, 0, 0]);
    image.record(&extension(holder, 0, &[part]));
    image.set_record(holder as usize, true);
    image
}

#[test]
fn the_mft_itself_may_have_several_records() {
    let image = mft_in_parts(12);
    let filesystem = image.open();
    assert_eq!(filesystem.damage().total(), 0, "{:?}", filesystem.trust());
    let used = crate::image::used_clusters(&filesystem, image.0.len());
    assert!(!used.contains(&26) && !used.contains(&41) && used.contains(&25));
    assert!((130..146).all(|cluster| used.contains(&cluster)));
    assert!(used.contains(&122), "a file of the second part");
}

#[test]
fn a_part_of_the_mft_that_only_itself_could_tell_distrusts_the_volume() {
    let image = mft_in_parts(20);
    let (record, holder, kind) = (0, 20, DATA_KIND);
    image.corrupt(Distrust::Lost {
        record,
        holder,
        kind,
    });
    // And one that is not there.
    let mut image = mft_in_parts(12);
    image.patch(12, 22, &[0]);
    image.corrupt(Distrust::Lost {
        record,
        holder: 12,
        kind,
    });
    let mut image = mft_in_parts(12);
    image.patch(12, 0x38 + 16, &[17]);
    image.corrupt(Distrust::Lost {
        record,
        holder: 12,
        kind,
    });
}
