//! `unpack --only-allocated`: metadata put back onto a filesystem.

use std::fs;
use std::ops::Range;

use fixtures::{E2fs, Qemu, SplitMix, number};

use crate::bench::Bench;

const DISK: usize = 3 << 20;

/// The extension that marks an image of metadata, with this unit.
fn marker(unit_bytes: u32) -> Vec<u8> {
    let words = [0x5132_414c, 8, 1, unit_bytes, 0, 0];
    words
        .iter()
        .flat_map(|word: &u32| word.to_be_bytes())
        .collect()
}

/// A folder with the image `image` that QEMU wrote and a mark was put on, and the
/// bytes `target` with what it holds written over them.
fn bench(options: &str, unit_bytes: u32) -> Option<(Bench, Vec<u8>, Vec<u8>)> {
    Qemu::require()?;
    let bench = Bench::new();
    bench.qemu_img(&format!("create -q -f qcow2 -o {options} image 3M"));
    let old = SplitMix::new(2).bytes(DISK + 10_000);
    let mut want = old.clone();
    for (start, end, byte) in [(0, 4, 1), (100, 168, 2), (2000, 2004, 3), (3068, 3072, 4)] {
        let length = end - start;
        bench.qemu_io(&format!("write -P {byte} {start}k {length}k"), "image");
        want[start << 10..end << 10].fill(byte);
    }
    for (start, end) in [(160, 164), (1000, 1064), (2004, 2008)] {
        let length = end - start;
        bench.qemu_io(&format!("write -z {start}k {length}k"), "image");
        want[start << 10..end << 10].fill(0);
    }
    let mut image = bench.read("image");
    let marker = marker(unit_bytes);
    image[112..112 + marker.len()].copy_from_slice(&marker);
    bench.write("image", image);
    Some((bench, old, want))
}

#[test]
fn what_the_image_holds_is_written_and_nothing_else() {
    for (options, unit_bytes) in [
        ("cluster_size=4k", 4096),
        ("cluster_size=128k,extended_l2=on", 4096),
    ] {
        let Some((bench, old, want)) = bench(options, unit_bytes) else {
            return;
        };
        for more in ["", "--only-changed", "--threads 1", "--in-place"] {
            bench.write("target", &old);
            let report = bench.ok(&format!("unpack --only-allocated {more} image target"));
            assert!(bench.read("target") == want, "{options} {more}");
            assert!(
                report.contains("only what the image holds was written"),
                "{report}"
            );
        }
        // Once more, and nothing is written.
        let again = "unpack --only-allocated --only-changed --output json image target";
        let json = bench.ok(again);
        assert_eq!(number(&json, "written_bytes"), Some(0));
        assert_eq!(number(&json, "zeroed_bytes"), Some(0));
        // From a pipe, too, where the one table comes before the data.
        if !options.contains("extended") {
            continue;
        }
        bench.write("target", &old);
        let image = std::fs::File::open(bench.path("image")).unwrap();
        let status = bench
            .command("unpack -q --only-allocated - target")
            .stdin(image)
            .status();
        assert!(status.unwrap().success());
        assert!(bench.read("target") == want, "{options}");
    }
}

#[test]
fn what_cannot_be_put_back_is_refused_and_nothing_is_written() {
    let Some((bench, old, _)) = bench("cluster_size=4k", 4096) else {
        return;
    };
    bench.write("short", &old[..DISK - 1]);
    bench.fails(
        "unpack --only-allocated image short",
        1,
        "short: it is too short: it holds 3145727 bytes, the disk has 3145728",
    );
    assert!(bench.read("short") == old[..DISK - 1]);
    bench.fails(
        "unpack --only-allocated image missing",
        1,
        "missing: there is no such file or block device to put metadata back onto",
    );
    assert!(!bench.path("missing").exists());
    bench.qemu_img("create -q -f qcow2 other 3M");
    bench.write("target", &old);
    bench.fails(
        "unpack --only-allocated other target",
        1,
        "other: --only-allocated puts back images of pack --content metadata, and this is another",
    );
    assert!(bench.read("target") == old);
    bench.fails(
        "unpack --only-allocated --reflink auto image target",
        2,
        "--reflink excludes --only-changed and --only-allocated",
    );
    let itself = bench.run("unpack --only-allocated image image");
    assert_eq!(itself.code, Some(1));
    assert!(itself.stderr.contains("is the source itself"), "{itself:?}");
}

/// A filesystem with a large folder and a file, over old bytes, in `disk`.
fn filesystem(bench: &Bench, e2fs: &E2fs, options: &[&str]) {
    let old = SplitMix::new(3).bytes(16 << 20);
    bench.write("disk", &old);
    e2fs.make(&bench.path("disk"), 16 << 20, options).unwrap();
    bench.write("content", SplitMix::new(4).bytes(300_000));
    let content = bench.path("content").display().to_string();
    let mut commands = vec![format!("write {content} gone"), "mkdir folder".into()];
    let names = (0..150).map(|n| format!("write /dev/null folder/a-long-name-{n}"));
    commands.extend(names);
    commands.push(format!("write {content} kept"));
    e2fs.debugfs(&bench.path("disk"), &commands).unwrap();
}

/// What happens to a filesystem: a file is deleted, and the folder and the
/// bitmaps of the first group become zeros.
fn change(bench: &Bench, e2fs: &E2fs, name: &str) {
    let image = bench.path(name);
    let stats = e2fs.ask(&image, "stats").unwrap();
    let bitmap = |what: &str| {
        let (_, place) = stats.split_once(what).unwrap();
        let digits: String = place.chars().take_while(char::is_ascii_digit).collect();
        format!("zap_block {digits}")
    };
    let mut commands = ["rm gone", "zap_block -f /folder 0"]
        .map(String::from)
        .to_vec();
    commands.extend([bitmap("block bitmap at "), bitmap("inode bitmap at ")]);
    e2fs.debugfs(&image, &commands).unwrap();
}

/// The bytes that qemu-img says the image holds.
fn held(bench: &Bench) -> Vec<Range<usize>> {
    let map = bench.qemu_img("map --output=json image");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&map).unwrap();
    let number = |entry: &serde_json::Value, key: &str| {
        usize::try_from(entry[key].as_u64().unwrap()).unwrap()
    };
    entries
        .iter()
        .filter(|entry| entry["present"] == true)
        .map(|entry| {
            let start = number(entry, "start");
            start..start + number(entry, "length")
        })
        .collect()
}

#[test]
fn a_changed_filesystem_is_as_it_was_with_its_metadata_put_back() {
    let (Some(e2fs), Some(_)) = (E2fs::require(), Qemu::require()) else {
        return;
    };
    for (make, pack) in [
        ("-t ext4 -b 4096", ""),
        ("-t ext4 -b 4096", "-c zlib"),
        ("-t ext4 -b 1024", ""),
        ("-t ext4 -b 1024", "-c zlib"),
        ("-t ext3 -b 1024", "-c zstd"),
    ] {
        let bench = Bench::new();
        filesystem(&bench, &e2fs, &make.split(' ').collect::<Vec<_>>());
        let before = e2fs.fsck(&["-fn"], &bench.path("disk")).unwrap();
        assert!(before.success(), "{}", before.brief(300));
        bench.ok(&format!("pack --content metadata {pack} disk image"));
        bench.ok("unpack image alone");
        let alone = e2fs.fsck(&["-fn"], &bench.path("alone")).unwrap();
        assert_eq!(alone, before, "{make} {pack}");

        fs::copy(bench.path("disk"), bench.path("changed")).unwrap();
        change(&bench, &e2fs, "changed");
        let damaged = e2fs.fsck(&["-fn"], &bench.path("changed")).unwrap();
        assert!(!damaged.success(), "{}", damaged.brief(300));

        let (mut want, metadata) = (bench.read("changed"), bench.read("alone"));
        let held = held(&bench);
        assert!(held.len() > 1, "{held:?}");
        for range in held {
            want[range.clone()].copy_from_slice(&metadata[range]);
        }
        let mut written = Vec::new();
        for more in ["", "--only-changed"] {
            fs::copy(bench.path("changed"), bench.path("target")).unwrap();
            let options = format!("--output json --only-allocated {more}");
            let json = bench.ok(&format!("unpack {options} image target"));
            written.push(number(&json, "written_bytes").unwrap());
            assert!(bench.read("target") == want, "{make} {pack} {more}");
            let after = e2fs.fsck(&["-fn"], &bench.path("target")).unwrap();
            assert_eq!(after, before, "{make} {pack} {more}");
            for name in ["gone", "kept"] {
                let out = bench.path("out");
                let dump = format!("dump {name} {}", out.display());
                e2fs.ask(&bench.path("target"), &dump).unwrap();
                assert!(bench.read("out") == bench.read("content"), "{name}");
            }
        }
        assert!(written[1] < written[0], "{make} {pack}: {written:?}");
    }
}

#[test]
fn an_image_of_all_that_is_used_is_not_put_back() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    filesystem(&bench, &e2fs, &["-t", "ext4"]);
    bench.ok("pack disk image");
    let before = bench.read("disk");
    bench.fails(
        "unpack --only-allocated image disk",
        1,
        "image: --only-allocated puts back images of pack --content metadata, and this is another",
    );
    assert!(bench.read("disk") == before);
}
