//! `qcow2 punch`: free blocks given back in place, and nothing else touched.

mod device;
mod partitions;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fixtures::ext::{self, Filesystem, Kind};
use fixtures::{DIRTY, E2fs, SplitMix, number};
use serde_json::Value;

use crate::bench::Bench;

const MIB: u64 = 1 << 20;

/// Options of mke2fs.
const MAKES: [&str; 5] = [
    "-t ext4 -b 4096",
    "-t ext4 -b 1024",
    "-t ext4 -b 2048 -O ^has_journal",
    "-t ext4 -b 4096 -O bigalloc -C 16384",
    "-t ext3 -b 1024 -O sparse_super",
];

/// Fills `disk`, whose free blocks all hold old data, with files, and deletes some.
fn fill(bench: &Bench, e2fs: &E2fs, make: &str) {
    let disk = bench.path("disk");
    bench.write("disk", SplitMix::new(11).bytes(48 << 20));
    let options: Vec<_> = [make, "-E nodiscard"]
        .join(" ")
        .split(' ')
        .map(String::from)
        .collect();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    e2fs.make(&disk, 48 * MIB, &options).unwrap();
    let mut commands = Vec::new();
    for (index, bytes) in [3_000_000, 70_000, 5_000_000, 1_000, 900_000]
        .into_iter()
        .enumerate()
    {
        let name = format!("file{index}");
        let seed = u64::try_from(index).unwrap();
        bench.write(&name, SplitMix::new(seed).bytes(bytes));
        commands.push(format!("write {} {name}", bench.path(&name).display()));
    }
    commands.push(format!("write {} sparse", bench.path("file1").display()));
    commands.extend(["rm file0".into(), "rm file2".into()]);
    e2fs.debugfs(&disk, &commands).unwrap();
    fs::File::open(&disk).unwrap().sync_all().unwrap();
}

/// The ranges of `disk` and what they are; the list without the name.
fn blocks(bench: &Bench, disk: &str) -> Value {
    let outcome = bench.run(&format!("blocks --output json {disk}"));
    let mut list: Value = serde_json::from_str(&outcome.stdout).unwrap();
    list["source"] = Value::Null;
    list
}

/// Asserts that `one` and `other` are the same except where `list` says unused, where
/// `one` is as it was or zero; and returns how many bytes differ.
#[track_caller]
fn only_free_bytes_differ(list: &Value, before: &[u8], after: &[u8]) -> usize {
    assert_eq!(before.len(), after.len());
    let mut differ = 0;
    for range in list["ranges"].as_array().unwrap() {
        let number = |key: &str| usize::try_from(range[key].as_u64().unwrap()).unwrap();
        let bytes = number("start")..number("start") + number("length");
        let (before, after) = (&before[bytes.clone()], &after[bytes.clone()]);
        if range["kind"] != "unused" {
            assert!(before == after, "{bytes:?} is kept, and changed");
            continue;
        }
        for (before, after) in before.iter().zip(after) {
            assert!(before == after || *after == 0, "{bytes:?}");
            differ += usize::from(before != after);
        }
    }
    differ
}

fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn free_blocks_are_given_back_and_everything_else_stays() {
    let Some(e2fs) = E2fs::require() else { return };
    for make in MAKES {
        let bench = Bench::new();
        fill(&bench, &e2fs, make);
        let disk = bench.path("disk");
        let before = bench.read("disk");
        let (list, fsck) = (blocks(&bench, "disk"), e2fs.fsck(&["-fn"], &disk).unwrap());
        bench.ok("pack disk image-before");
        let allocated_before = allocated(&disk);

        let dry = bench.ok("punch --dry-run --output json disk");
        assert!(bench.read("disk") == before, "{make}");
        assert_eq!(allocated(&disk), allocated_before, "{make}");

        let json = bench.ok("punch --verify --output json disk");
        let report: Value = serde_json::from_str(&json).unwrap();
        let after = bench.read("disk");
        let free = list["totals"]["unused"].as_u64().unwrap();
        assert_eq!(report["free_bytes"].as_u64(), Some(free), "{make}");
        assert!(only_free_bytes_differ(&list, &before, &after) > 20 << 20);
        let allocated_after = allocated(&disk);
        assert!(allocated_after < allocated_before - 20 * MIB, "{make}");
        assert_eq!(
            report["allocated_before_bytes"].as_u64(),
            Some(allocated_before)
        );
        assert_eq!(
            report["allocated_after_bytes"].as_u64(),
            Some(allocated_after)
        );
        let given_back = report["given_back_bytes"].as_u64().unwrap();
        assert_eq!(given_back, allocated_before - allocated_after, "{make}");
        for key in ["free_bytes", "punched_bytes", "ranges"] {
            assert_eq!(number(&dry, key), report[key].as_u64(), "{make}: {key}");
        }
        let foreseen = number(&dry, "given_back_bytes").unwrap();
        assert_eq!(Some(foreseen), report["punched_bytes"].as_u64(), "{make}");

        assert_eq!(blocks(&bench, "disk"), list, "{make}");
        assert_eq!(e2fs.fsck(&["-fn"], &disk).unwrap(), fsck, "{make}");
        bench.ok("pack disk image-after");
        assert!(
            bench.read("image-before") == bench.read("image-after"),
            "{make}"
        );
        let out = bench.path("out");
        fs::create_dir(&out).unwrap();
        e2fs.copy_out(&disk, &out).unwrap();
        for name in ["file1", "file3", "file4"] {
            assert!(
                fs::read(out.join(name)).unwrap() == bench.read(name),
                "{make}: {name}"
            );
        }

        // There is nothing left to give back.
        let again = bench.ok("punch --output json disk");
        assert_eq!(number(&again, "given_back_bytes"), Some(0), "{make}");
        let dry = bench.ok("punch --dry-run --output json disk");
        assert_eq!(number(&dry, "given_back_bytes"), Some(0), "{make}");
    }
}

#[test]
fn reports_say_what_was_done() {
    let bench = Bench::new();
    let bytes = Filesystem::new(Kind::Ext4).bytes;
    bench.write("disk", &bytes);
    let dry = bench.ok("punch --dry-run disk");
    let head = "source   disk: 256 KiB, ext4 \"assembled\" of 256 blocks of 1 KiB\n\
        free     242 KiB\n";
    let would = format!(
        "{head}would    punch 240 KiB in 1 ranges and give back 240 KiB; nothing was changed\ntime "
    );
    assert!(dry.starts_with(&would), "{dry}");
    assert!(bench.read("disk") == bytes);
    let done = bench.ok("punch --verify --no-sync disk");
    assert!(
        done.starts_with(&format!("{head}punched  240 KiB in 1 ranges\nstorage  ")),
        "{done}"
    );
    assert!(
        done.contains("\nverified every byte that is kept is what it was\n"),
        "{done}"
    );
    // The first unit that is free with all its bytes begins at 16 KiB.
    let mut want = bytes;
    want[16 << 10..].fill(0);
    assert!(bench.read("disk") == want);
    const { assert!(ext::FREE.start < 16 << 10) };
    assert_eq!(bench.ok("punch --quiet disk"), "");
}

#[test]
fn a_journal_to_replay_keeps_what_pack_keeps() {
    let Some(e2fs) = E2fs::require() else { return };
    for dirty in DIRTY.iter().step_by(3) {
        let bench = Bench::new();
        let disk = bench.path("disk");
        let whole = dirty.make(&e2fs, &disk).unwrap();
        let (before, list) = (bench.read("disk"), blocks(&bench, "disk"));
        let packed = bench.run("pack disk image-before");
        let outcome = bench.run("punch --verify disk");
        assert_eq!(outcome.code, packed.code, "{}: {outcome:?}", dirty.name);
        only_free_bytes_differ(&list, &before, &bench.read("disk"));
        bench.run("pack disk image-after");
        assert!(
            bench.read("image-before") == bench.read("image-after"),
            "{}",
            dirty.name
        );
        bench.write("again", &before);
        let [one, other] =
            ["disk", "again"].map(|name| e2fs.fsck(&["-fy"], &bench.path(name)).unwrap());
        assert_eq!(one, other, "{}", dirty.name);
        for file in whole {
            let out = bench.path("out");
            e2fs.ask(&disk, &format!("dump {} {}", file.name, out.display()))
                .unwrap();
            assert!(
                fs::read(&out).unwrap() == file.bytes,
                "{}: {}",
                dirty.name,
                file.name
            );
        }
    }
}

/// Runs `punch` on the file `disk`, which must end with 3, say `why`, and change nothing.
#[track_caller]
fn nothing_is_punched(bench: &Bench, options: &str, why: &str) {
    let (before, allocated_before) = (bench.read("disk"), allocated(&bench.path("disk")));
    for more in ["", " --dry-run"] {
        let outcome = bench.run(&format!("punch{more}{options} disk"));
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let note = format!("note     no free block is given back: {why}\n");
        assert!(outcome.stdout.contains(&note), "{why}: {outcome:?}");
        assert!(bench.read("disk") == before);
        assert_eq!(allocated(&bench.path("disk")), allocated_before);
    }
}

#[test]
fn nothing_of_what_proves_nothing_is_given_back() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(1).bytes(1 << 20));
    nothing_is_punched(
        &bench,
        "",
        "it holds no filesystem that we know, which proves nothing free",
    );

    // The bit of a free block is set in a bitmap with checksums: the group is damaged.
    let mut made = Filesystem::new(Kind::Ext4);
    made.bytes[3 * 1024 + 20] |= 1;
    bench.write("disk", &made.bytes);
    nothing_is_punched(
        &bench,
        "",
        "the filesystem is damaged; e2fsck -f repairs it",
    );

    // It was not cleanly unmounted.
    let mut made = Filesystem::new(Kind::Ext4);
    made.put(1024 + 0x3a, &[0, 0]);
    made.seal();
    bench.write("disk", &made.bytes);
    let outcome = bench.run("punch disk");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(
        outcome.stdout.contains("e2fsck -f makes it clean"),
        "{outcome:?}"
    );
    assert!(bench.read("disk") == made.bytes);

    // Its superblock is not what it should be.
    let mut made = Filesystem::new(Kind::Ext4);
    made.put(1024 + 0x60, &[0xff; 4]);
    made.seal();
    bench.write("disk", &made.bytes);
    let outcome = bench.run("punch --output json disk");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(number(&outcome.stdout, "given_back_bytes"), Some(0));
    assert!(bench.read("disk") == made.bytes);
}

#[test]
fn zeros_in_use_are_given_back_if_asked_for() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    fill(&bench, &e2fs, MAKES[0]);
    let half = [vec![1; 1 << 20], vec![0; 2 << 20], vec![1; 5000]].concat();
    bench.write("half", &half);
    let disk = bench.path("disk");
    let write = format!("write {} half", bench.path("half").display());
    e2fs.debugfs(&disk, &[write]).unwrap();
    // debugfs leaves holes for the zeros of a file, an unknown disk holds them.
    bench.write("other", &half);
    let before = bench.read("disk");
    let list = blocks(&bench, "disk");
    let json = bench.ok("punch --zeros --verify --output json disk");
    assert!(number(&json, "zero_bytes").unwrap() > 0, "{json}");
    only_free_bytes_differ(&list, &before, &bench.read("disk"));

    fs::File::open(bench.path("other"))
        .unwrap()
        .sync_all()
        .unwrap();
    let before = allocated(&bench.path("other"));
    let outcome = bench.run("punch --zeros --output json --content all other");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(number(&outcome.stdout, "zero_bytes"), Some(2 << 20));
    assert_eq!(number(&outcome.stdout, "punched_bytes"), Some(0));
    assert!(bench.read("other") == half);
    assert_eq!(allocated(&bench.path("other")), before - (2 << 20));
}

#[test]
fn random_disks_keep_what_pack_keeps() {
    let Some(e2fs) = E2fs::require() else { return };
    let mut random = SplitMix::new(99);
    let mut number = |below: u8| random.bytes(1)[0] % below;
    for round in 0..6 {
        let bench = Bench::new();
        let make = MAKES[usize::from(number(5))];
        fill(&bench, &e2fs, make);
        let disk = bench.path("disk");
        let mut commands = Vec::new();
        for file in 0..20 {
            let source = usize::from(number(5));
            let path = bench.path(&format!("file{source}"));
            commands.push(format!("write {} more{file}", path.display()));
            if number(2) == 0 {
                commands.push(format!("rm more{file}"));
            }
        }
        // The disk may get full.
        let _ = e2fs.debugfs(&disk, &commands);
        let (before, list) = (bench.read("disk"), blocks(&bench, "disk"));
        bench.run("pack disk image-before");
        let options = ["", "--trust bitmaps", "--zeros", "--drop unwritten"];
        let option = options[usize::from(number(4))];
        let outcome = bench.run(&format!("punch {option} disk"));
        assert!(matches!(outcome.code, Some(0 | 3)), "{round}: {outcome:?}");
        only_free_bytes_differ(&list, &before, &bench.read("disk"));
        bench.run("pack disk image-after");
        assert!(
            bench.read("image-before") == bench.read("image-after"),
            "{round} {make} {option}"
        );
    }
}

#[test]
fn what_is_no_raw_disk_is_refused() {
    let bench = Bench::new();
    bench.write("disk", Filesystem::new(Kind::Ext4).bytes);
    bench.ok("pack disk image");
    let image = bench.read("image");
    let outcome = bench.run("punch image");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .starts_with("qcow2: image: it looks like a qcow2 image, and only a raw disk can "),
        "{outcome:?}"
    );
    assert!(bench.read("image") == image);
    bench.fails(
        "punch -",
        2,
        "punch changes SOURCE in place, which standard input cannot be",
    );
    bench.fails(
        "punch --content metadata disk",
        2,
        "--content metadata makes no sense with punch: it would give back the contents of files",
    );
    bench.fails(
        "punch --content all disk",
        2,
        "--content all makes no sense with punch without --zeros: it proves nothing free",
    );
    bench.fails(
        "punch missing",
        1,
        "missing cannot be opened: No such file or directory (os error 2)",
    );
    assert_eq!(bench.run("punch --zeros --discard disk").code, Some(2));
    assert_eq!(bench.run("punch --dry-run --verify disk").code, Some(2));
}
