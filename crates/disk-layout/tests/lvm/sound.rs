//! What is free in groups that are sound and complete.

use disk_layout::{Kept, Report};

use crate::disk::{
    AREA, EXTENT, IDS, KIB, PV, disk, extents, free, linear, look, segment, start, text, volume,
    whole,
};

/// The notes of a report that keeps what is used.
#[track_caller]
fn notes(report: &Report) -> Vec<String> {
    assert!(report.kept_whole.is_none(), "{:?}", report.kept_whole);
    assert_eq!(report.kept, Kept::Used, "{:?}", report.notes);
    assert_eq!(report.damage.total, 0);
    report.notes.clone()
}

#[test]
fn extents_in_no_segment_are_free() {
    let one = volume("one", &[segment(1, 0, 3, &linear(0, 2))]);
    let disk = whole(&text(7, 1, &[one]));
    look(&disk, |report, free| {
        assert_eq!(notes(report), [""; 0]);
        assert_eq!(free, [extents(0, 0..2), extents(0, 5..12)]);
        let physical = report.physical_volume.as_ref().unwrap();
        assert_eq!(physical.id, IDS[0]);
        assert_eq!(physical.group.as_deref(), Some("vg"));
        let [volume] = physical.volumes.as_slice() else {
            panic!("{physical:?}");
        };
        assert_eq!(volume.name, "vg/one");
        assert_eq!((volume.bytes, volume.kind.as_str()), (3 * EXTENT, "linear"));
        assert_eq!(volume.ranges, [extents(0, 2..5)]);
        assert!(!volume.is_hidden && volume.not_opened.is_none());
    });
    // A group without volumes.
    assert_eq!(free(&whole(&text(1, 1, &[]))), [extents(0, 0..12)]);
}

#[test]
fn the_content_of_a_volume_says_what_is_free_in_it() {
    // Two segments on two physical volumes, the second one first.
    let segments = [
        segment(1, 0, 4, &linear(1, 4)),
        segment(2, 4, 6, &linear(0, 0)),
    ];
    let mut disk = disk(2, &text(1, 2, &[volume("swap", &segments)]));
    let page = |page: u32| match page {
        0..4 => extents(start(1), 4 + u64::from(page)..12).start,
        _ => extents(start(0), u64::from(page) - 4..12).start,
    };
    disk.swap(10, &[2, 5], page);
    look(&disk, |report, free| {
        assert_eq!(notes(report), [""; 0]);
        let [first, second] = [start(0), start(1)];
        let want = [
            extents(first, 0..1),
            extents(first, 2..12),
            extents(second, 0..4),
            extents(second, 5..6),
            extents(second, 7..12),
        ];
        assert_eq!(free, want);
        let names: Vec<_> = report.volumes().map(|one| one.name.clone()).collect();
        assert_eq!(names, ["vg/swap"]);
        // It is listed where it begins.
        let parts = &report.layout.as_ref().unwrap().parts;
        let physical = parts[1].report.physical_volume.as_ref().unwrap();
        let volume = &physical.volumes[0];
        let want = [extents(second, 4..8), extents(first, 0..6)];
        assert_eq!(volume.ranges, want);
        let filesystem = volume.report.filesystem.as_ref().unwrap();
        assert_eq!(
            (filesystem.kind, &filesystem.label[..]),
            ("swap", &b"label"[..])
        );
    });
}

#[test]
fn stripes_take_turns() {
    // Three stripes of two extents each, in chunks of two pages.
    let rest = "type = \"striped\"\nstripe_count = 3\nstripe_size = 16\nstripes = [\n\"pv0\", 1,\n\
                \"pv1\", 2,\n\"pv2\", 3\n]";
    let volumes = [volume("s", &[segment(1, 0, 12, rest)])];
    let mut disk = disk(3, &text(1, 3, &volumes));
    // Page 7 is the second one of the first chunk of the second row: 6, 7 on pv0.
    let page = |page: u32| {
        let (chunk, inside) = (page / 2, u64::from(page % 2));
        let (row, stripe) = (u64::from(chunk / 3), chunk as usize % 3);
        extents(start(stripe), 1 + stripe as u64 + 2 * row + inside..12).start
    };
    disk.swap(12, &[3, 7, 8], page);
    let want = [
        // Pages 0, 7 are in use.
        extents(start(0), 0..1),
        extents(start(0), 2..4),
        extents(start(0), 5..12),
        // Pages 3, 8.
        extents(start(1), 0..3),
        extents(start(1), 5..12),
        extents(start(2), 0..12),
    ];
    look(&disk, |report, free| {
        assert_eq!(notes(report), [""; 0]);
        assert_eq!(free, want);
        assert_eq!(report.volumes().next().unwrap().kind, "striped");
    });
}

#[test]
fn a_text_goes_round_the_ring() {
    let one = volume("one", &[segment(1, 0, 3, &linear(0, 2))]);
    let text = text(7, 1, &[one]);
    for offset in [513, 6 * KIB, 12 * KIB - 1, 12 * KIB - 512] {
        let mut disk = whole(&text);
        disk.put(AREA.start + 512, &[0; 2048]);
        disk.area(AREA.start, AREA.start, 12 * KIB, offset, &text);
        assert_eq!(free(&disk), [extents(0, 0..2), extents(0, 5..12)]);
    }
}

#[test]
fn an_area_that_is_ignored_or_not_there_needs_another_volume() {
    let one = volume("one", &[segment(1, 0, 3, &linear(0, 2))]);
    let text = text(7, 2, &[one]);
    let mut disk = disk(2, &text);
    // Its text is an old one.
    let area = start(0) + AREA.start;
    let old = crate::disk::text(3, 2, &[]);
    disk.area(area, AREA.start, 12 * KIB, 512, &old);
    disk.u32(area + 60, 1).sign_area(area);
    let want = [
        extents(start(0), 0..2),
        extents(start(0), 5..12),
        extents(start(1), 0..12),
    ];
    assert_eq!(free(&disk), want);
    let label = start(0) + 512;
    disk.put(label + 104, &[0; 16]).sign_label(label);
    assert_eq!(free(&disk), want);
}

#[test]
fn the_label_may_be_in_any_of_four_sectors_and_with_more_areas() {
    let text = text(1, 1, &[]);
    for sector in 0..4 {
        let mut disk = whole(&text);
        let label = disk.0[512..1024].to_vec();
        disk.put(512, &[0; 512]).put(512 * sector, &label);
        let at = 512 * sector;
        disk.u64(at + 8, sector);
        // A second area after the extents, and one for boot loaders.
        let second = PV - KIB;
        disk.u64(at + 120, second).u64(at + 128, KIB);
        disk.u32(at + 152, 2).u32(at + 156, 1);
        disk.u64(at + 160, 2048).u64(at + 168, 2048).sign_label(at);
        disk.area(second, second, KIB, 512, "");
        disk.put(second + 40, &[0; 24]).sign_area(second);
        assert_eq!(free(&disk), [extents(0, 0..12)]);
    }
}
