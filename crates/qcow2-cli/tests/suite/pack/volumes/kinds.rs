//! Groups that prove nothing, and volumes of other kinds.

use serde_json::Value;

use super::group::{Attached, Disk, MIB};
use crate::bench::Bench;

/// What `blocks` says of the disk: the bytes that are not in use, and the notes.
fn unused(bench: &Bench) -> (u64, Vec<String>) {
    let outcome = bench.run("blocks --output json disk");
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let notes = json["notes"].as_array().unwrap();
    let notes: Vec<_> = notes
        .iter()
        .map(|note| note.as_str().unwrap().to_owned())
        .collect();
    let code = if notes.is_empty() { 0 } else { 3 };
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    (json["totals"]["unused"].as_u64().unwrap(), notes)
}

/// A group on two partitions of 24 MiB, of which 5 extents of 4 MiB are in each.
fn two(options: [&str; 2]) -> Option<Disk> {
    let disk = Disk::new(2, 24)?;
    let attached = disk.attach("disk")?;
    for (index, options) in options.iter().enumerate() {
        attached.lvm(&format!("pvcreate {options} @{}", index + 1));
    }
    attached.lvm("vgcreate vg @1 @2");
    drop(attached);
    Some(disk)
}

fn with<T>(disk: &Disk, run: impl FnOnce(&Attached<'_>) -> T) -> T {
    run(&disk.attach("disk").unwrap())
}

#[test]
fn metadata_goes_round_its_ring() {
    let Some(disk) = two(["--metadatasize 16k --dataalignment 64k"; 2]) else {
        return;
    };
    with(&disk, |attached| attached.create("-n one -L 8M vg @1"));
    // Long tags make the text long, so that it soon meets the end.
    let wrapped = (0..32).any(|index| {
        let is_wrapped = with(&disk, |attached| {
            let number = 100 + index % 16;
            let change = if index < 16 { "addtag" } else { "deltag" };
            let tag = format!("{number}{}", "t".repeat(1000));
            attached.lvm(&format!("vgchange --{change} {tag} vg"));
            let headers = attached.lvm("pvck --dump headers @1");
            let field = |name: &str| -> u64 {
                let line = headers.lines().find(|line| line.contains(name)).unwrap();
                line.split_whitespace().last().unwrap().parse().unwrap()
            };
            let end = field("raw_locn[0].offset") + field("raw_locn[0].size");
            end > field("mda_header_1.size")
        });
        // Five extents are in each; two are in use.
        assert_eq!(unused(&disk.bench), (2 * 20 * MIB - 8 * MIB, vec![]));
        is_wrapped
    });
    assert!(wrapped);
}

#[test]
fn areas_that_are_ignored_or_missing_need_another_volume() {
    for options in [
        ["", "--metadataignore y"],
        ["--metadatacopies 2", "--metadatacopies 0"],
    ] {
        let Some(disk) = two(options) else {
            return;
        };
        with(&disk, |attached| attached.create("-n one -L 8M vg @2"));
        assert_eq!(unused(&disk.bench), (2 * 20 * MIB - 8 * MIB, vec![]));
        // Without the one that has the text, nothing is known.
        let start = usize::try_from(disk.start(0)).unwrap();
        let mut bytes = disk.bench.read("disk");
        bytes[start..start + 4096].fill(0);
        disk.bench.write("disk", bytes);
        let (free, notes) = unused(&disk.bench);
        let why = "no metadata here says which volume group this physical volume belongs to";
        assert_eq!(
            (free, notes),
            (0, vec![format!("partition 2 is kept whole: {why}")])
        );
    }
}

#[test]
fn a_volume_that_is_elsewhere_is_missed() {
    let Some(disk) = two([""; 2]) else {
        return;
    };
    let uuid = with(&disk, |attached| {
        attached.create("-n one -L 8M vg @1");
        attached.lvm("pvs --noheadings -o pv_uuid @2")
    });
    assert_eq!(unused(&disk.bench), (2 * 20 * MIB - 8 * MIB, vec![]));
    // Its partition is used for something else.
    let start = usize::try_from(disk.start(1)).unwrap();
    let mut bytes = disk.bench.read("disk");
    bytes[start..start + 4096].fill(0);
    disk.bench.write("disk", bytes);
    let (free, notes) = unused(&disk.bench);
    let why = format!(
        "partition 1 is kept whole: volume group vg is not complete here, so its newest metadata \
         may be elsewhere: physical volume {} is missing",
        uuid.trim()
    );
    assert_eq!((free, notes), (0, vec![why]));
    // The tools take it out of the group, and what is left is complete.
    with(&disk, |attached| {
        attached.lvm("vgreduce --removemissing vg");
    });
    assert_eq!(unused(&disk.bench), (20 * MIB - 8 * MIB, vec![]));
}

#[test]
fn groups_in_other_states() {
    let Some(disk) = two([""; 2]) else {
        return;
    };
    let notes = || {
        let (free, notes) = unused(&disk.bench);
        assert_eq!(free, 0);
        notes
    };
    with(&disk, |attached| attached.lvm("vgexport vg"));
    let why = "is kept whole: the volume group is exported";
    let both = [1, 2].map(|part| format!("partition {part} {why}"));
    assert_eq!(notes(), both);
    with(&disk, |attached| {
        attached.lvm("vgimport vg");
        attached.lvm("vgreduce vg @2");
    });
    let (free, notes) = unused(&disk.bench);
    let why = "no metadata here says which volume group this physical volume belongs to";
    assert_eq!(
        (free, notes),
        (20 * MIB, vec![format!("partition 2 is kept whole: {why}")])
    );
}

#[test]
fn a_backup_restored_to_some_members_is_in_doubt() {
    let Some(disk) = Disk::new(2, 24) else {
        return;
    };
    let text = disk.bench.path("text");
    let uuid = disk.attach("disk").map(|attached| {
        attached.lvm("pvcreate @1 @2");
        attached.lvm("vgcreate vg @1");
        attached.create("-n one -L 8M vg");
        attached.lvm(&format!("vgcfgbackup -f {} vg", text.display()));
        attached.lvm("vgextend vg @2");
        attached.lvm("lvremove -y vg/one");
        // The tools say that this is done, and go on with what the second volume holds.
        attached.lvm(&format!("vgcfgrestore -f {} vg", text.display()));
        attached.lvm("pvs --noheadings -o pv_uuid @1")
    });
    let Some(uuid) = uuid else {
        return;
    };
    let why = format!(
        "physical volume {} of volume group vg is in doubt: its metadata has sequence number 3, \
         the newest has 4",
        uuid.trim()
    );
    let both = [1, 2].map(|part| format!("partition {part} is kept whole: {why}"));
    assert_eq!(unused(&disk.bench), (0, both.to_vec()));
}

/// Volumes of other kinds, which the tools make only with the kernel's help: the text is
/// written by hand, and the tools check it.
const KINDS: &str = r#"logical_volumes {
pool { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000001" status = ["READ", "WRITE", "VISIBLE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "thin-pool" metadata = "pool_tmeta"
pool = "pool_tdata" transaction_id = 1 chunk_size = 128 discards = "passdown" zero_new_blocks = 1 }
}
thin { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000002" status = ["READ", "WRITE", "VISIBLE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 9 type = "thin" thin_pool = "pool" transaction_id = 0
device_id = 1 }
}
pool_tmeta { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000003" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv0", 0 ] }
}
pool_tdata { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000004" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv0", 1 ] }
}
mirrored { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000005" status = ["READ", "WRITE", "VISIBLE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "raid1" device_count = 2 region_size = 4096
raids = [ "mirrored_rmeta_0", "mirrored_rimage_0", "mirrored_rmeta_1", "mirrored_rimage_1" ] }
}
mirrored_rmeta_0 { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000006" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv0", 2 ] }
}
mirrored_rimage_0 { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000007" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv0", 3 ] }
}
mirrored_rmeta_1 { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000008" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv1", 0 ] }
}
mirrored_rimage_1 { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000009" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv1", 1 ] }
}
origin { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-00000a" status = ["READ", "WRITE", "VISIBLE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv1", 2 ] }
}
snap { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-00000b" status = ["READ", "WRITE", "VISIBLE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
stripes = [ "pv1", 3 ] }
}
snapshot0 { id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-00000c" status = ["READ", "WRITE"]
flags = [] segment_count = 1
segment1 { start_extent = 0 extent_count = 1 type = "snapshot" chunk_size = 8 origin = "origin"
cow_store = "snap" }
}
}
"#;

#[test]
fn volumes_of_other_kinds_are_kept_whole_and_named() {
    let Some(disk) = two([""; 2]) else {
        return;
    };
    let text = disk.bench.path("text");
    with(&disk, |attached| {
        attached.lvm(&format!("vgcfgbackup -f {} vg", text.display()));
        let empty = std::fs::read_to_string(&text).unwrap();
        // The brace that closes the group is the last one.
        let (group, rest) = empty.rsplit_once('}').unwrap();
        std::fs::write(&text, format!("{group}{KINDS}}}{rest}")).unwrap();
        attached.lvm(&format!("vgcfgrestore --force -f {} vg", text.display()));
        attached.lvm("vgck vg");
    });
    let (free, notes) = unused(&disk.bench);
    assert_eq!((free, notes), (2 * 4 * MIB, vec![]));
    let human = disk.bench.ok("blocks disk");
    for line in [
        "lv       vg/pool: 4 MiB, thin-pool (it is of type thin-pool), kept whole\n",
        "lv       vg/thin: 36 MiB, thin (it is of type thin), kept whole\n",
        "lv       [vg/pool_tdata]: 4 MiB, linear (volume pool needs it), kept whole\n",
        "lv       vg/mirrored: 4 MiB, raid1 (it is of type raid1), kept whole\n",
        "lv       vg/origin: 4 MiB, linear (volume snapshot0 needs it), kept whole\n",
        "lv       [vg/snap]: 4 MiB, linear (volume snapshot0 needs it), kept whole\n",
    ] {
        assert!(human.contains(line), "{line}{human}");
    }
}

#[test]
fn a_whole_disk_may_be_a_physical_volume() {
    let Some(disk) = Disk::new(0, 24) else {
        return;
    };
    let bench = &disk.bench;
    std::fs::File::create(bench.path("disk"))
        .unwrap()
        .set_len(24 * MIB)
        .unwrap();
    let Some(attached) = disk.attach_whole("disk") else {
        return;
    };
    attached.lvm("pvcreate @1");
    attached.lvm("vgcreate vg @1");
    attached.create("-n one -L 8M vg");
    drop(attached);
    assert_eq!(unused(bench), (20 * MIB - 8 * MIB, vec![]));
    let report = bench.ok("pack disk image.qcow2");
    let want = "24 MiB, LVM2 \"vg\"\nlv       vg/one: 8 MiB, unknown content, kept whole\n";
    assert!(report.contains(want), "{report}");
    bench.ok("punch disk");
    let outcome = bench.run("pack --content metadata disk no.qcow2");
    let want = "this needs one filesystem, and the disk is a physical volume of LVM2; --partition \
                names one of vg/one";
    assert!(outcome.stderr.contains(want), "{outcome:?}");
}
