//! A logical volume as the source.

use blockio::ReadAt;
use disk_layout::{Error, SelectedPart, Volume, select};

use crate::disk::{
    AREA, Bytes, DATA, EXTENT, IDS, KIB, disk, extents, linear, segment, start, text, volume, whole,
};

/// The volume, and why it may lie elsewhere.
fn found(disk: &Bytes, wanted: &str) -> Result<(Volume, Option<String>), Error> {
    let found = select(&disk.0, None, wanted)?;
    match found.part {
        SelectedPart::Volume(volume) => Ok((volume, found.doubt.map(|why| why.to_string()))),
        other => panic!("{other:?}"),
    }
}

fn two() -> Bytes {
    let volumes = [
        volume("one", &[segment(1, 0, 1, &linear(0, 0))]),
        volume(
            "two",
            &[
                segment(1, 0, 10, &linear(1, 2)),
                segment(2, 10, 1, &linear(0, 5)),
            ],
        ),
        volume(
            "thin",
            &[segment(1, 0, 1, "type = \"thin\"\nthin_pool = \"p\"")],
        ),
    ];
    let mut disk = disk(2, &text(1, 2, &volumes));
    disk.swap(10, &[], |page| {
        extents(start(1), 2 + u64::from(page)..12).start
    });
    let last = extents(start(0), 5..6).start;
    disk.put(last, b"last");
    disk
}

#[test]
fn a_volume_is_found_by_its_name_and_by_its_content() {
    let disk = two();
    for name in ["vg/two", "label"] {
        let (volume, doubt) = found(&disk, name).unwrap();
        assert_eq!((volume.name.as_str(), doubt.as_deref()), ("vg/two", None));
        let bytes = volume.on(&disk.0).unwrap();
        assert_eq!(bytes.size(), 11 * EXTENT);
        let mut found = [0; 10];
        bytes.read_at(4086, &mut found).unwrap();
        assert_eq!(&found, b"SWAPSPACE2");
        bytes.read_at(10 * EXTENT, &mut found[..4]).unwrap();
        assert_eq!(&found[..4], b"last");
    }
    let error = found(&disk, "vg/three").unwrap_err().to_string();
    let all = "1, 2, vg/one, vg/two, vg/thin";
    assert_eq!(
        error,
        format!("0 of the partitions {all} match \"vg/three\"")
    );
    let error = found(&disk, "vg/thin").unwrap_err().to_string();
    assert_eq!(error, "volume vg/thin cannot be opened: it is of type thin");
    let one = volume("one", &[segment(1, 0, 1, &linear(0, 0))]);
    let (found, _) = found(&whole(&text(1, 1, &[one])), "vg/one").unwrap();
    assert_eq!(found.mapping().bytes(), EXTENT);
}

#[test]
fn a_volume_of_a_group_that_is_not_complete_is_in_doubt() {
    let volumes = [
        volume("here", &[segment(1, 0, 1, &linear(0, 0))]),
        volume("there", &[segment(1, 0, 1, &linear(1, 0))]),
    ];
    let disk = disk(1, &text(1, 2, &volumes));
    let (_, doubt) = found(&disk, "vg/here").unwrap();
    let doubt = doubt.unwrap();
    assert!(
        doubt.starts_with("volume group vg is not complete here"),
        "{doubt}"
    );
    assert!(doubt.ends_with("ffff-000002 is missing"), "{doubt}");
    let error = found(&disk, "vg/there").unwrap_err().to_string();
    let want = "volume vg/there cannot be opened: part of it is not on this disk";
    assert_eq!(error, want);
}

#[test]
fn a_physical_volume_is_in_doubt_if_another_one_has_a_newer_text() {
    let one = |seqno, members| {
        let volumes = [volume("one", &[segment(1, 0, 1, &linear(0, 0))])];
        text(seqno, members, &volumes)
    };
    let doubt = |disk: &Bytes, wanted: &str| {
        let found = select(&disk.0, None, wanted).unwrap();
        found.doubt.map(|why| why.to_string())
    };
    // A group of both: alone, each is kept whole for want of the other.
    let mut both = disk(2, &one(4, 2));
    assert_eq!(doubt(&both, "1"), None);
    // What the first one says by itself is believed, and it is older.
    let older = one(3, 1);
    both.area(start(0) + AREA.start, AREA.start, 12 * KIB, 512, &older);
    let told = doubt(&both, "1").unwrap();
    let want = "its metadata has sequence number 3, the newest has 4";
    assert!(told.ends_with(want), "{told}");
    assert_eq!(doubt(&both, "2"), None);
    // Nothing is wrong with a group of one.
    assert_eq!(doubt(&disk(1, &one(3, 1)), "1"), None);
}

#[test]
fn a_physical_volume_in_a_volume_may_know_better() {
    let outer = [volume("in", &[segment(1, 0, 12, &linear(0, 0))])];
    let doubt = |inner: &str| {
        let mut disk = disk(1, &text(2, 1, &outer));
        let nested = start(0) + DATA;
        disk.label(nested, IDS[2], &[AREA]);
        disk.u64(nested + 512 + 64, 48 * KIB);
        disk.sign_label(nested + 512);
        disk.area(nested + AREA.start, AREA.start, 12 * KIB, 512, inner);
        found(&disk, "vg/in").unwrap().1
    };
    let newer = text(4, 1, &[]);
    let want = "a physical volume in volume vg/in may have newer metadata of the group";
    assert_eq!(doubt(&newer).as_deref(), Some(want));
    // One that cannot be read may have it, too; one of another group has not.
    assert_eq!(doubt("vg {").as_deref(), Some(want));
    assert_eq!(doubt(&newer.replace("GGGG", "HHHH")), None);
}
