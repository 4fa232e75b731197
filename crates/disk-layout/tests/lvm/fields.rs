//! Structures with fields that hold something else than they may.

use disk_layout::Kept;

use crate::disk::{AREA, Bytes, extents, free, linear, look, segment, text, volume, whole};

/// Why the physical volume on all of the disk is kept whole.
#[track_caller]
pub(crate) fn why(disk: &Bytes) -> String {
    look(disk, |report, free| {
        assert_eq!((report.kept, free), (Kept::All, vec![]));
        report.kept_whole.as_ref().unwrap().to_string()
    })
}

pub(crate) fn one() -> String {
    text(7, 1, &[volume("one", &[segment(1, 0, 3, &linear(0, 2))])])
}

/// Changes a sound disk, which must be sound before.
#[track_caller]
fn damaged(change: impl FnOnce(&mut Bytes)) -> String {
    let mut disk = whole(&one());
    assert_eq!(free(&disk), [extents(0, 0..2), extents(0, 5..12)]);
    change(&mut disk);
    why(&disk)
}

/// As [`damaged`], of the text: each `from` in it is replaced.
#[track_caller]
fn reworded(from: &str, to: &str) -> String {
    let old = one();
    assert!(old.contains(from), "{from}");
    why(&whole(&old.replace(from, to)))
}

#[test]
fn fields_of_the_label() {
    let sign = |disk: &mut Bytes, at: u64, bytes: &[u8]| {
        disk.put(512 + at, bytes).sign_label(512);
    };
    let crc = damaged(|disk| {
        disk.put(600, &[1]);
    });
    assert!(
        crc.starts_with("label at byte 0x200: its checksum is 0x"),
        "{crc}"
    );
    let field = |at: u64, bytes: &[u8]| damaged(|disk| sign(disk, at, bytes));
    let label = "label at byte 0x200:";
    for (at, bytes, want) in [
        (
            8,
            &[0][..],
            "its sector is 0x0, allowed is the sector it is in",
        ),
        (
            20,
            &[33],
            "the place of its content is 0x21, allowed is 0x20",
        ),
        (
            31,
            b"2",
            "its type is 0x4c564d3220303032, allowed is 0x4c564d3220303031",
        ),
        (
            32,
            b" ",
            "the volume's UUID is 0x2061616161616262, allowed is letters and digits",
        ),
        (
            72,
            &[0, 4],
            "the place of its extents is 0x400, allowed is 0x800 and more",
        ),
        (
            72,
            &[0; 8],
            "the version of its extension is 0x1000, allowed is 0 to 2",
        ),
        (
            136,
            &[3],
            "the version of its extension is 0x3, allowed is 0 to 2",
        ),
        (72, &[255; 440], "its lists of areas have no end"),
    ] {
        assert_eq!(field(at, bytes), format!("{label} {want}"));
    }
}

#[test]
fn areas_of_the_label() {
    let field = |at: u64, bytes: &[u8]| {
        damaged(|disk| {
            disk.put(512 + at, bytes).sign_label(512);
        })
    };
    let outside = field(112, &[0, 0, 2]);
    let want = "a metadata area reaches from byte 0x1000 to 0x21000, the volume has 0x10400";
    assert_eq!(outside, want);
    let meets = field(104, &[0, 2]);
    let want = "a metadata area reaches from byte 0x200 to 0x3200 and meets another area";
    assert_eq!(meets, want);
    let two = damaged(|disk| {
        disk.put(1024, b"LABELONE");
    });
    assert_eq!(two, "2 labels in the first four sectors");
    // The extents begin elsewhere than the text says, or on the metadata.
    let member = "physical volume aaaaaa-bbbb-cccc-dddd-eeee-ffff-000001";
    let elsewhere = field(72, &[0, 0x41]);
    let want = "its label has another place for its extents";
    assert_eq!(
        elsewhere,
        format!("{member} of volume group vg is in doubt: metadata text, {member}: {want}")
    );
    let meets = field(112, &[0, 0x31]);
    assert!(
        meets.contains("metadata area at byte 0x1000: its length is 0x3000"),
        "{meets}"
    );
}

#[test]
fn fields_of_the_metadata_area() {
    let at = AREA.start;
    let field = |offset: u64, bytes: &[u8]| {
        damaged(|disk| {
            disk.put(at + offset, bytes).sign_area(at);
        })
    };
    let area = "metadata area at byte 0x1000:";
    for (offset, bytes, want) in [
        (
            4,
            &[0][..],
            "its magic is 0x4c564d3220785b, allowed is \" LVM2 x[5A%r0N*>\"",
        ),
        (20, &[2], "its version is 0x2, allowed is 1"),
        (
            25,
            &[0x11],
            "its place is 0x1100, allowed is the place it is in",
        ),
        (
            33,
            &[0x2f],
            "its length is 0x2f00, allowed is what the label says",
        ),
        (
            41,
            &[1],
            "the place of the text is 0x100, allowed is within the ring",
        ),
        (
            41,
            &[0x30],
            "the place of the text is 0x3000, allowed is within the ring",
        ),
        (49, &[0x2e, 1], "the length of the text is 0x12e"),
        (
            60,
            &[2],
            "the flags of the text's place is 0x2, allowed is 0 and 1",
        ),
        (64, &[0, 2], "a change of the group was not finished"),
        (88, &[0, 2], "a change of the group was not finished"),
    ] {
        let found = field(offset, bytes);
        assert!(found.starts_with(&format!("{area} {want}")), "{found}");
    }
    let crc = damaged(|disk| {
        disk.put(at + 40, &[1]);
    });
    assert!(
        crc.starts_with("metadata area at byte 0x1000: its checksum is 0x"),
        "{crc}"
    );
    let crc = damaged(|disk| {
        disk.put(at + 600, b"!");
    });
    assert!(
        crc.starts_with("metadata text at byte 0x1200: its checksum is 0x"),
        "{crc}"
    );
    // No text at all, an old one, or no area.
    let nothing = "no metadata here says which volume group this physical volume belongs to";
    assert_eq!(field(40, &[0; 24]), nothing);
    assert_eq!(field(60, &[1]), nothing);
    let none = damaged(|disk| {
        disk.put(512 + 104, &[0; 16]).sign_label(512);
    });
    assert_eq!(none, nothing);
}

/// What in the text is replaced by what, and what is said of it.
const WORDS: [(&str, &str, &str); 30] = [
    ("RESIZEABLE", "EXPORTED", "the volume group is exported"),
    (
        "\"RESIZEABLE\"",
        "\"CLUSTERED\"",
        "the volume group is shared by a cluster",
    ),
    ("RESIZEABLE", "PVMOVE", "the volume group is moving extents"),
    ("RESIZEABLE", "NEW", "the volume group has the state NEW"),
    (
        "max_lv = 0",
        "lock_type = \"sanlock\"",
        "the volume group is shared by a cluster",
    ),
    (
        "max_lv = 0",
        "more { }",
        "the volume group has a section more, which is not known",
    ),
    (
        "ALLOCATABLE",
        "NEW",
        "the volume group has the state NEW on physical volume pv0",
    ),
    (
        "Text Format",
        "Other",
        "metadata text, outside of the group: contents is not \"Text Format Volume Group\"",
    ),
    (
        "\nversion = 1",
        "\nversion = 2",
        "metadata text, outside of the group: version is not 1",
    ),
    (
        "\nversion = 1",
        "\nversion = 1 x { }",
        "metadata text, outside of the group: there is not exactly one section",
    ),
    (
        "GGGG-GGGG",
        "GGGG-GGG ",
        "metadata text, group vg: its id is no UUID",
    ),
    (
        "seqno = 7",
        "seqno = -7",
        "metadata text, group vg: seqno is no number",
    ),
    (
        "\"lvm2\"",
        "\"lvm3\"",
        "metadata text, group vg: format is not \"lvm2\"",
    ),
    (
        "extent_size = 8",
        "extent_size = 0",
        "metadata text, group vg: extent_size is no number",
    ),
    (
        "physical_volumes",
        "physical",
        "metadata text, group vg: physical_volumes is missing",
    ),
    (
        "pe_start = 32",
        "pe_start = 33",
        "its label has another place for its extents",
    ),
    (
        "pe_count = 12",
        "pe_count = 13",
        "a physical volume reaches from byte 0x4000 to 0x11000, the volume has 0x10400",
    ),
    (
        "pe_count = 12",
        "pe_count = 4503599627370495",
        "metadata text, physical volume pv0: its extents have no end",
    ),
    (
        "dev_size = 130",
        "dev_size = 131",
        "a physical volume reaches from byte 0x4000 to 0x10600, the volume has 0x10400",
    ),
    (
        "pe_count = 12",
        "pe_count = x",
        "a value is neither a number nor in quotes",
    ),
    (
        "[\"ALLOCATABLE\"]",
        "[\"MISSING\"]",
        "physical volume aaaaaa-bbbb-cccc-dddd-eeee-ffff-000001 was missing when volume group vg changed",
    ),
    (
        "segment_count = 1",
        "segment_count = 2",
        "metadata text, logical volume one: segment_count is not the number of its segments",
    ),
    (
        "start_extent = 0",
        "start_extent = 1",
        "metadata text, logical volume one: its segments are not one after another",
    ),
    (
        "extent_count = 3",
        "extent_count = 0",
        "metadata text, logical volume one: start_extent or extent_count is no number",
    ),
    (
        "extent_count = 3",
        "extent_count = 11",
        "metadata text, logical volume one: its extents pass the end of a physical volume",
    ),
    (
        "stripe_count = 1",
        "stripe_count = 3",
        "metadata text, logical volume one: stripe_count, stripes and extent_count contradict each other",
    ),
    (
        "\"pv0\", 2",
        "2, 2",
        "metadata text, logical volume one: stripes is no list of names and numbers",
    ),
    (
        "one {",
        "pv0 {",
        "metadata text, logical volume pv0: it is called as a physical volume",
    ),
    (
        "one {",
        "one { one = 1 one = 1",
        "a name is there twice before here",
    ),
    (
        "\"striped\"",
        "\"mirror\"",
        "volume one of type mirror lies on physical volumes in a way that is not known",
    ),
];

#[test]
fn fields_of_the_text() {
    for (from, to, want) in WORDS {
        let found = reworded(from, to);
        assert!(found.contains(want), "{from} -> {to}: {found}");
    }
}
