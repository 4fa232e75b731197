//! What keeps a group whole, or a volume in it, although each of its structures is sound.

use disk_layout::{Kept, Options};

use crate::disk::{
    AREA, Bytes, DATA, EXTENT, IDS, KIB, PV, disk, extents, free, linear, look, segment, start,
    text, volume, whole,
};
use crate::fields::{one, why};

/// What is noted of the physical volumes in partitions, all of which are kept.
#[track_caller]
fn notes(disk: &Bytes) -> Vec<String> {
    look(disk, |report, free| {
        assert_eq!((report.kept, free), (Kept::All, vec![]));
        report.notes.clone()
    })
}

#[test]
fn volumes_that_are_not_plain_are_kept_whole() {
    let plain = |name: &str, first| volume(name, &[segment(1, 0, 2, &linear(0, first))]);
    let other = |name: &str, rest: &str| volume(name, &[segment(1, 0, 2, rest)]);
    let volumes = [
        plain("pool_tdata", 0).replace(", \"VISIBLE\"", ""),
        plain("spare", 2).replace(", \"VISIBLE\"", ""),
        other("pool", "type = \"thin-pool\"\npool = \"pool_tdata\""),
        other(
            "thin",
            "type = \"thin\"\nthin_pool = \"pool\"\nexternal_origin = \"origin\"",
        ),
        plain("origin", 4),
        plain("locked", 6).replace("\"READ\"", "\"READ\", \"LOCKED\""),
        other(
            "stacked",
            "type = \"striped\"\nstripe_count = 1\nstripes = [\n\"origin\", 0\n]",
        ),
        plain("last", 10),
    ];
    let disk = whole(&text(1, 1, &volumes));
    look(&disk, |report, free| {
        assert_eq!(free, [extents(0, 8..10)]);
        assert_eq!(report.notes, [""; 0]);
        let why = report.volumes().map(|one| {
            let why = one.not_opened.clone().unwrap_or_default();
            (one.name.as_str(), one.kind.as_str(), why)
        });
        let want = [
            ("vg/pool_tdata", "linear", "volume pool needs it"),
            ("vg/spare", "linear", "it is hidden"),
            ("vg/pool", "thin-pool", "it is of type thin-pool"),
            ("vg/thin", "thin", "it is of type thin"),
            ("vg/origin", "linear", "volume stacked needs it"),
            ("vg/locked", "linear", "it has the state LOCKED"),
            ("vg/stacked", "linear", "it lies on other volumes"),
            ("vg/last", "linear", ""),
        ];
        let want = want.map(|(name, kind, why)| (name, kind, why.to_owned()));
        let found: Vec<_> = why.collect();
        assert_eq!(found, want);
    });
}

#[test]
fn extents_with_two_owners() {
    let volumes = [
        volume("one", &[segment(1, 0, 3, &linear(0, 2))]),
        volume("two", &[segment(1, 0, 3, &linear(0, 4))]),
    ];
    let want = format!(
        "extent 4 of physical volume {} belongs to one and to two",
        IDS[0]
    );
    assert_eq!(why(&whole(&text(1, 1, &volumes))), want);
}

#[test]
fn a_group_that_is_not_complete() {
    let text = text(3, 3, &[]);
    let mut disk = disk(2, &text);
    let why = format!(
        "volume group vg is not complete here, so its newest metadata may be elsewhere: physical \
         volume {} is missing",
        IDS[2]
    );
    let both = [1, 2].map(|number| format!("partition {number} is kept whole: {why}"));
    assert_eq!(notes(&disk), both);
    // One of them is in doubt.
    disk.put(start(1) + AREA.start + 600, b"!");
    assert_eq!(notes(&disk), both);
}

#[test]
fn a_member_in_doubt_is_everyones_doubt() {
    let text = text(3, 2, &[]);
    let mut disk = disk(2, &text);
    assert_eq!(free(&disk).len(), 2);
    let sound = disk.clone();
    disk.put(start(1) + AREA.start + 600, b"!");
    let member = format!(
        "physical volume {} of volume group vg is in doubt: ",
        IDS[1]
    );
    for note in notes(&disk) {
        assert!(note.contains(&format!(
            "{member}metadata text at byte 0x1200: its checksum"
        )));
    }
    // A superblock of ext is left in its partition, or a signature at its end.
    let mut disk = sound.clone();
    disk.put(start(1) + PV - 512, b"EFI PART");
    let want =
        format!("{member}it is also claimed by a GPT partition table (signature at byte 0x10200)");
    assert_eq!(
        notes(&disk)[0],
        format!("partition 1 is kept whole: {want}")
    );
    // Its partition meets another one.
    let mut disk = sound.clone();
    disk.u32(446 + 16 + 12, 1 << 16);
    let place = "its place in the partition table is in doubt";
    let want = format!("partition 1 is kept whole: {member}{place}");
    assert_eq!(notes(&disk)[0], want);
    assert_eq!(
        notes(&disk)[1],
        format!("partition 2 is kept whole: {place}")
    );
}

#[test]
fn groups_and_members_that_are_there_twice() {
    let text = |seqno: u64, members: usize| text(seqno, members, &[]);
    let area = |disk: &mut Bytes, index: usize, text: &str| {
        disk.area(start(index) + AREA.start, AREA.start, 12 * KIB, 512, text);
    };
    // Two texts, each the newest.
    let mut disk = disk(2, &text(3, 2));
    area(
        &mut disk,
        1,
        &text(3, 2).replace("max_pv = 0", "max_pv = 1"),
    );
    let want = "two different texts of volume group vg have sequence number 3";
    assert_eq!(
        notes(&disk)[0],
        format!("partition 1 is kept whole: {want}")
    );
    // One volume twice.
    let mut disk = crate::disk::disk(2, &text(3, 1));
    disk.label(start(1), IDS[0], &[AREA]);
    let want = format!("physical volume {} is there 2 times", IDS[0]);
    let both = [1, 2].map(|number| format!("partition {number} is kept whole: {want}"));
    assert_eq!(notes(&disk), both);
    // A volume that its group no longer has.
    let mut disk = crate::disk::disk(2, &text(3, 2));
    area(&mut disk, 0, &text(4, 1));
    look(&disk, |report, free| {
        assert_eq!(free, [extents(start(0), 0..12)]);
        let want = "partition 2 is kept whole: the newest metadata of volume group vg does not \
                    name this physical volume";
        assert_eq!(report.notes, [want]);
    });
    // A volume of two groups.
    let mut disk = crate::disk::disk(2, &text(3, 2));
    let other = text(3, 2).replace("GGGG", "HHHH");
    area(&mut disk, 1, &other);
    let want = format!(
        "physical volume {} belongs to more than one volume group",
        IDS[0]
    );
    assert_eq!(
        notes(&disk)[0],
        format!("partition 1 is kept whole: {want}")
    );
}

#[test]
fn a_superblock_of_ext_makes_a_physical_volume_ambiguous() {
    let mut disk = whole(&one());
    disk.put(1024 + 56, &[0x53, 0xef]);
    look(&disk, |report, free| {
        assert_eq!((report.kept, free), (Kept::All, vec![]));
        assert!(report.kept_whole.is_some());
    });
}

#[test]
fn hashes_in_a_volume_cover_those_of_all() {
    let volumes = [
        volume("one", &[segment(1, 0, 3, &linear(0, 2))]),
        volume("two", &[segment(1, 0, 3, &linear(1, 2))]),
    ];
    let mut disk = disk(2, &text(1, 2, &volumes));
    let at = start(1) + DATA + 2 * EXTENT;
    disk.put(at, b"verity\0\0").put(at + 8, &[1]);
    let note = format!("dm-verity (at byte {at:#x} of the disk) may cover its free blocks, too");
    let notes = notes(&disk);
    assert_eq!(notes[0], format!("partition 1 is kept whole: {note}"));
}

#[test]
fn hashes_that_end_on_a_missing_member_cover_those_of_all() {
    let segments = [
        segment(1, 0, 3, &linear(0, 2)),
        segment(2, 3, 1, &linear(1, 0)),
    ];
    let mut disk = disk(2, &text(1, 2, &[volume("half", &segments)]));
    // The second partition is swap, and the other member elsewhere.
    disk.put(start(1), &vec![0; PV as usize]);
    disk.swap(10, &[], |page| start(1) + u64::from(page) * 4096);
    assert!(look(&disk, |_, free| !free.is_empty()));
    let at = start(0) + DATA + 2 * EXTENT;
    disk.put(at, b"verity\0\0").put(at + 8, &[1]);
    assert_eq!(look(&disk, |_, free| free), vec![]);
}

#[test]
fn a_disk_in_use_is_kept_whole() {
    let mut options = Options::default();
    options.in_use = Some("it is mounted".into());
    for disk in [whole(&one()), disk(1, &one())] {
        let size = disk.0.len() as u64;
        let parts = disk_layout::Disk::open(&disk.0, &options).unwrap();
        assert_eq!(parts.usage(0..size).unwrap().free_bytes, 0);
        let why = parts.report().kept_whole.as_ref().unwrap().to_string();
        assert_eq!(why, "it is mounted, so nothing is proven free");
    }
}

#[test]
fn too_many_volumes() {
    let volumes: Vec<_> = (0..4097)
        .map(|index| {
            volume(
                &format!("v{index}"),
                &[segment(1, 0, 1, "type = \"error\"")],
            )
        })
        .collect();
    let text = text(1, 1, &volumes);
    let area = 2 << 20;
    let mut disk = Bytes(vec![0; area + (1 << 20)]);
    let range = AREA.start..AREA.start + area as u64;
    disk.label(0, IDS[0], std::slice::from_ref(&range));
    let data = AREA.start + area as u64;
    disk.u64(512 + 64, data + PV)
        .u64(512 + 72, data)
        .sign_label(512);
    let text = text
        .replace(
            "dev_size = 130",
            &format!("dev_size = {}", (data + PV) / 512),
        )
        .replace("pe_start = 32", &format!("pe_start = {}", data / 512));
    disk.area(AREA.start, AREA.start, area as u64, 512, &text);
    assert_eq!(
        why(&disk),
        "there are more than 4096 logical volumes on the disk"
    );
}

#[test]
fn a_member_with_an_older_text() {
    let [small, large] = [2, 6].map(|count| volume("one", &[segment(1, 0, count, &linear(0, 0))]));
    let mut disk = disk(2, &text(4, 2, &[small]));
    assert_eq!(free(&disk)[0], extents(start(0), 2..12));
    let newest = text(5, 2, &[large]);
    let area = |disk: &mut Bytes, index| {
        disk.area(
            start(index) + AREA.start,
            AREA.start,
            12 * KIB,
            512,
            &newest,
        );
    };
    area(&mut disk, 1);
    let why = format!(
        "physical volume {} of volume group vg is in doubt: its metadata has sequence number 4, \
         the newest has 5",
        IDS[0]
    );
    let both = [1, 2].map(|number| format!("partition {number} is kept whole: {why}"));
    assert_eq!(notes(&disk), both);
    // An area that is ignored is old for certain, and says nothing.
    let first = start(0) + AREA.start;
    disk.u32(first + 60, 1).sign_area(first);
    assert_eq!(free(&disk)[0], extents(start(0), 6..12));
    area(&mut disk, 0);
    assert_eq!(free(&disk)[0], extents(start(0), 6..12));
}
