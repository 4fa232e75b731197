//! Images over older ones: `pack --base`.

mod generations;

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use fixtures::{Qemu, SplitMix, number};

use crate::bench::Bench;

const DISK_BYTES: usize = 4 << 20;

/// A disk with data, old data and zeros; `old`, the image of it; and `disk` again with
/// changes of all sorts.
fn bench(pack: &str) -> Bench {
    let bench = Bench::new();
    let mut random = SplitMix::new(7);
    let mut disk = random.bytes(DISK_BYTES);
    disk[1 << 20..2 << 20].fill(0);
    bench.write("disk", &disk);
    bench.ok(&format!("pack {pack} disk old"));
    // A byte, a cluster that becomes zeros, one that was, and the end.
    disk[70_000] ^= 1;
    disk[200_000..400_000].fill(0);
    disk[1_500_000..1_500_100].fill(9);
    disk[DISK_BYTES - 1] ^= 1;
    bench.write("disk", &disk);
    bench
}

/// Holds the image `new` over others against `disk`.
#[track_caller]
fn restores(bench: &Bench, new: &str) {
    bench.ok(&format!(
        "unpack --force --references beside {new} restored"
    ));
    assert!(bench.read("restored") == bench.read("disk"), "{new}");
    if let Some(qemu) = Qemu::require() {
        let check = qemu.check(&bench.path(new)).unwrap();
        assert!(check.success(), "{new}: {check:?}");
        bench.qemu_img(&format!("convert -f qcow2 -O raw {new} converted"));
        let mut converted = bench.read("converted");
        let disk = bench.read("disk");
        assert!(converted[disk.len()..].iter().all(|byte| *byte == 0));
        converted.truncate(disk.len());
        assert!(converted == disk, "{new}");
    }
}

#[test]
fn what_changed_is_stored_and_nothing_else() {
    let bench = bench("");
    let report = bench.ok("pack --verify --digest --output json --base old disk new");
    restores(&bench, "new");
    // Four clusters of 64 KiB: the byte, the two ends of the zeros, one that was zeros,
    // and the last.
    assert_eq!(number(&report, "changed_bytes"), Some(5 << 16));
    assert_eq!(number(&report, "stored_bytes"), Some(5 << 16));
    assert_eq!(number(&report, "zeroed_bytes"), Some(2 << 16));
    assert_eq!(
        number(&report, "unchanged_bytes"),
        Some((64 - 16 - 4 - 2) << 16)
    );
    assert!(report.contains("\"name\": \"old\"") || report.contains("\"name\":\"old\""));
    assert!(number(&report, "image_bytes").unwrap() <= 10 << 16);
    let digest = bench.ok("pack --digest --output json disk whole");
    let sha256 = |report: &str| {
        let at = report.find("\"sha256\"").unwrap();
        report[at..].chars().take(80).collect::<String>()
    };
    assert_eq!(sha256(&report), sha256(&digest));
    let human = bench.ok("pack --force --base old disk new");
    assert!(human.contains("base     old, called old\n"), "{human}");
    assert!(
        human.contains("changed  320 KiB, and 128 KiB became zeros; 2.62 MiB are as they were\n"),
        "{human}"
    );
}

#[test]
fn an_overlay_may_have_any_shape() {
    let bench = bench("--cluster-size 4K --compress zlib");
    for (at, options) in [
        "--cluster-size 512",
        "--cluster-size 2M",
        "--cluster-size 4K --compress zlib",
        "--compress zstd --threads 1",
        "--refcount-bits 1 --compress zlib",
    ]
    .iter()
    .enumerate()
    {
        let new = format!("new{at}");
        bench.ok(&format!("pack --verify {options} --base old disk {new}"));
        restores(&bench, &new);
    }
}

#[test]
fn a_disk_may_grow_and_shrink() {
    for size in [
        DISK_BYTES + 3_000_001,
        DISK_BYTES - 1_000_000,
        DISK_BYTES - 1_000_100 - 63,
        1 << 16,
        100,
    ] {
        let bench = bench("");
        let mut disk = bench.read("disk");
        disk.resize(size, 5);
        bench.write("disk", &disk);
        bench.ok("pack --verify --write-index new.index --base old disk new");
        restores(&bench, "new");
        // And back again, over that.
        disk.resize(DISK_BYTES + 1000, 0);
        bench.write("disk", &disk);
        bench.ok("pack --verify --references beside --base new --index new.index disk newer");
        restores(&bench, "newer");
    }
}

#[test]
fn the_base_may_be_an_overlay_of_qemu() {
    let Some(_) = Qemu::require() else { return };
    let bench = Bench::new();
    bench.write("raw", SplitMix::new(3).bytes(1_234_567));
    bench.qemu_img("create -q -f qcow2 -o extended_l2=on -b raw -F raw old 3M");
    bench.qemu_io("write -P 1 60k 2k", "old");
    bench.qemu_io("write -z 100k 100k", "old");
    bench.qemu_img("convert -f qcow2 -O raw old disk");
    let refused = bench.run("pack --base old disk new");
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .stderr
            .contains("--references beside or any allows it"),
        "{refused:?}"
    );
    let report = bench.ok("pack --output json --references beside --base old disk same");
    assert_eq!(number(&report, "stored_bytes"), Some(0));
    restores(&bench, "same");
    let mut disk = bench.read("disk");
    disk[110_000] = 1;
    disk[1_234_000..1_300_000].fill(0);
    bench.write("disk", &disk);
    bench.ok("pack --verify --backing raw --base old disk new");
    restores(&bench, "new");
    let part = bench.run("pack --references beside --base old raw new2");
    assert!(
        part.stderr.contains("the source is a part of it"),
        "{part:?}"
    );
}

#[test]
fn an_index_spares_reading_the_base() {
    let bench = bench("--write-index old.index");
    let plain = bench.ok("pack --output json --base old disk plain");
    let report = bench.ok("pack --output json --base old --index old.index disk new");
    assert!(bench.read("plain") == bench.read("new"));
    for field in [
        "changed_bytes",
        "zeroed_bytes",
        "unchanged_bytes",
        "used_bytes",
    ] {
        assert_eq!(number(&report, field), number(&plain, field), "{field}");
    }
    let said = |report: &str| report.replace(' ', "").contains("\"by_index\":true");
    assert!(said(&report) && !said(&plain));
    restores(&bench, "new");
    // The index of the next one is written on the way, whatever is compared with.
    bench.ok("pack --force --base old --index old.index --write-index 1.index disk new");
    bench.ok("pack --base old --write-index 2.index disk again");
    let (one, two) = (bench.read("1.index"), bench.read("2.index"));
    assert!(one[96..] == two[96..] && one[..32] == two[..32]);
    let next =
        bench.ok("pack --output json --references beside --base new --index 1.index disk newest");
    assert!(said(&next));
    assert_eq!(number(&next, "stored_bytes"), Some(0));
    restores(&bench, "newest");
}

#[test]
fn an_index_of_another_state_is_not_used() {
    let bench = bench("--write-index old.index");
    let unused = |options: &str, why: &str| {
        let outcome = bench.run(&format!(
            "pack --force --index old.index {options} disk new"
        ));
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let note = format!("note     old.index: not used: {why}\n");
        assert!(outcome.stdout.contains(&note), "{outcome:?}");
    };
    unused(
        "--cluster-size 4K --base old",
        "it is of clusters of 64 KiB, and the image has clusters of 4 KiB",
    );
    restores(&bench, "new");
    let other = "it is not of the base as the base is now";
    fs::copy(bench.path("old"), bench.path("copy")).unwrap();
    unused("--base copy", other);
    restores(&bench, "new");
    // A machine wrote to the base, in place.
    let Some(_) = Qemu::require() else { return };
    bench.qemu_io("write -P 77 64k 4k", "old");
    unused("--base old", other);
    restores(&bench, "new");
}

#[test]
fn a_copy_with_its_time_is_the_same_base() {
    let bench = bench("--write-index old.index");
    fs::copy(bench.path("old"), bench.path("copy")).unwrap();
    let time = fs::metadata(bench.path("old")).unwrap().modified().unwrap();
    let copy = File::options()
        .write(true)
        .open(bench.path("copy"))
        .unwrap();
    copy.set_modified(time).unwrap();
    bench.ok("pack --base copy --index old.index disk new");
    restores(&bench, "new");
    copy.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
        .unwrap();
    let outcome = bench.run("pack --force --base copy --index old.index disk new");
    assert_eq!(outcome.code, Some(3));
}

#[test]
fn a_hostile_index_is_an_error_and_leaves_nothing() {
    let bench = bench("--write-index old.index");
    let names = bench.names();
    let index = bench.read("old.index");
    let mut cases = vec![(Vec::new(), "the file is no index of digests")];
    cases.push((bench.read("old"), "the file is no index of digests"));
    let mut flipped = index.clone();
    flipped[200] ^= 1;
    cases.push((flipped, "the index is damaged: its checksum is wrong"));
    let mut many = index.clone();
    many[24..32].fill(0xff);
    cases.push((
        many,
        "the index has 18446744073709551615 records, and its 2016 bytes are not as many",
    ));
    for (bytes, why) in cases {
        bench.write("bad.index", bytes);
        let outcome = bench.run("pack --write-index i --base old --index bad.index disk new");
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let message = format!("qcow2: bad.index: the digests cannot be used: {why}\n");
        assert_eq!(outcome.stderr, message);
        fs::remove_file(bench.path("bad.index")).unwrap();
        assert_eq!(bench.names(), names);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = bench("");
    let names = bench.names();
    bench.fails(
        "pack --compat 0.10 --base old disk new",
        2,
        "--base needs --compat 1.1: qcow2 v2 cannot say that what the base holds is zeros now",
    );
    bench.fails(
        "pack --content metadata --base old disk new",
        2,
        "--base and --content metadata exclude each other: what an image of metadata leaves out \
         is not what a base holds",
    );
    bench.fails(
        "pack --reflink auto --base old disk new",
        2,
        "--base and --reflink exclude each other: what is shared is not compared",
    );
    bench.fails(
        "pack --references any disk new",
        2,
        "--references, --backing, --backing-format and --data-file are for the base, and need \
         --base",
    );
    bench.fails(
        "pack --write-index index disk -",
        2,
        "--write-index needs an image in a file, not on the standard output",
    );
    bench.fails(
        "pack --write-index new disk new",
        2,
        "--write-index and IMAGE are the same file",
    );
    assert_eq!(bench.run("pack --index i disk new").code, Some(2));
    assert_eq!(bench.run("pack --base-name n disk new").code, Some(2));
    let itself = bench.run("pack --force --base old disk old");
    assert_eq!(itself.code, Some(1));
    assert!(itself.stderr.contains("is the source itself"), "{itself:?}");
    let index = bench.run("pack --force --base old --write-index old disk new");
    assert!(index.stderr.contains("is the source itself"), "{index:?}");
    bench.fails(
        "pack --source-format raw --base old old new",
        1,
        "old: the source is a part of it",
    );
    let none = bench.run("pack --base disk disk new");
    assert_eq!(none.code, Some(1), "{none:?}");
    let long = "x".repeat(1024);
    bench.fails(
        &format!("pack --base old --base-name {long} disk new"),
        1,
        "new: the name of its base has 1024 bytes, and 1 to 1023 are allowed: --base-name \
         records another",
    );
    let room = bench.run(&format!(
        "pack --base old --cluster-size 512 --base-name {} disk new",
        &long[..600]
    ));
    assert_eq!(room.code, Some(1), "{room:?}");
    assert_eq!(bench.names(), names);
}

#[test]
fn a_base_that_unpack_refuses_is_refused() {
    let Some(_) = Qemu::require() else { return };
    let bench = bench("");
    let names = bench.names();
    // The corrupt bit.
    let old = bench.read("old");
    let mut marked = old.clone();
    marked[79] |= 2;
    bench.write("old", &marked);
    let outcome = bench.run("pack --base old disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // A refcount that is too small.
    let mut wrong = old.clone();
    let table = usize::try_from(u64::from_be_bytes(old[48..56].try_into().unwrap())).unwrap();
    let block = u64::from_be_bytes(old[table..table + 8].try_into().unwrap());
    let block = usize::try_from(block).unwrap();
    wrong[block..block + 64].fill(0);
    bench.write("old", &wrong);
    let outcome = bench.run("pack --base old disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // The dirty bit alone does no harm.
    let mut dirty = old.clone();
    dirty[79] |= 1;
    bench.write("old", &dirty);
    bench.ok("pack --base old disk new");
    restores_without_qemu(&bench, "new");
    fs::remove_file(bench.path("new")).unwrap();
    fs::remove_file(bench.path("restored")).unwrap();
    bench.qemu_img(
        "create -q -f qcow2 --object secret,id=s,data=p -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 locked 4M",
    );
    bench.fails(
        "pack --base locked disk new",
        1,
        "locked: it is encrypted, and what is packed over it would not be",
    );
    bench.qemu_img("create -q -u -f qcow2 -b locked -F qcow2 over 4M");
    bench.fails(
        "pack --references beside --base over disk new",
        1,
        "over: it is encrypted, and what is packed over it would not be",
    );
    fs::remove_file(bench.path("locked")).unwrap();
    fs::remove_file(bench.path("over")).unwrap();
    assert_eq!(bench.names(), names);
}

fn restores_without_qemu(bench: &Bench, new: &str) {
    bench.ok(&format!("unpack --references beside {new} restored"));
    assert!(bench.read("restored") == bench.read("disk"));
}

/// The name that the image records.
fn name_in(image: &[u8]) -> String {
    let at = usize::try_from(u64::from_be_bytes(image[8..16].try_into().unwrap())).unwrap();
    let length = u32::from_be_bytes(image[16..20].try_into().unwrap());
    let name = &image[at..at + usize::try_from(length).unwrap()];
    String::from_utf8(name.to_vec()).unwrap()
}

#[test]
fn the_name_leads_from_the_image_to_the_base() {
    let bench = bench("");
    let folder = fs::canonicalize(bench.folder()).unwrap();
    fs::create_dir(bench.path("sub")).unwrap();
    fs::copy(bench.path("old"), bench.path("sub/a:b")).unwrap();
    fs::copy(bench.path("old"), bench.path("c:d")).unwrap();
    std::os::unix::fs::symlink("old", bench.path("latest")).unwrap();
    let absolute = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (base, new, name) in [
        ("old", "1", "old".to_owned()),
        ("./sub/../old", "2", "old".to_owned()),
        ("latest", "3", "old".to_owned()),
        ("sub/a:b", "4", "sub/a:b".to_owned()),
        ("c:d", "5", "./c:d".to_owned()),
        ("old", "sub/6", absolute("old")),
        ("sub/a:b", "sub/7", "./a:b".to_owned()),
    ] {
        bench.ok(&format!("pack --base {base} disk {new}"));
        assert_eq!(name_in(&bench.read(new)), name, "{base} {new}");
        bench.ok(&format!("unpack --force --references any {new} restored"));
        assert!(bench.read("restored") == bench.read("disk"));
        if Qemu::require().is_some() {
            bench.qemu_img(&format!("convert -f qcow2 -O raw {new} converted"));
            assert!(bench.read("converted") == bench.read("disk"));
        }
    }
    bench.ok("pack --base old --base-name nbd://far/old disk 8");
    assert_eq!(name_in(&bench.read("8")), "nbd://far/old");
    // To a pipe, the same image but for the name.
    let outcome = bench.command("pack --base old disk -").output().unwrap();
    assert!(outcome.status.success());
    bench.write("piped", &outcome.stdout);
    assert_eq!(name_in(&outcome.stdout), absolute("old"));
    bench.ok("unpack --force --references any piped restored");
    assert!(bench.read("restored") == bench.read("disk"));
    let named = bench
        .command("pack --base old --base-name old disk -")
        .output()
        .unwrap();
    assert!(named.stdout == bench.read("1"));
}

#[test]
fn a_base_that_is_cut_short_leaves_nothing() {
    let bench = bench("");
    let names = bench.names();
    let cut = bench.read("old");
    bench.write("old", &cut[..cut.len() / 2]);
    let outcome = bench.run("pack --base old --write-index i disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(bench.names(), names);
}
