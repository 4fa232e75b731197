//! The digests of a base, in place of the base.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use fixtures::{Qemu, SplitMix, number};

use super::{bench, restores};
use crate::mounts::Mounted;

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
fn a_mounted_source_has_no_index() {
    let Some(mounted) = Mounted::new(16, &[]) else {
        return;
    };
    let (bench, device) = (&mounted.bench, &mounted.device.device);
    bench.fails(
        &format!("pack --allow-mounted --write-index index {device} image"),
        1,
        &format!(
            "{device}: --write-index needs a source that nobody writes to: the image could hold \
             what is written after its digest is taken"
        ),
    );
    assert!(!bench.path("image").exists() && !bench.path("index").exists());
    bench.ok(&format!(
        "pack --allow-mounted --freeze --write-index index {device} image"
    ));
    fs::write(
        mounted.mount.0.join("more"),
        SplitMix::new(1).bytes(100_000),
    )
    .unwrap();
    let report = bench.ok(&format!(
        "pack --allow-mounted --freeze --verify --output json --base image --index index {device} new"
    ));
    let changed = number(&report, "changed_bytes").unwrap();
    assert!((100_000..600_000).contains(&changed), "{report}");
    // Without proof, everything is compared.
    let outcome = bench.run(&format!("pack --allow-mounted --base image {device} other"));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    if let Some(qemu) = Qemu::require() {
        let check = qemu.check(&bench.path("new")).unwrap();
        assert!(check.success(), "{check:?}");
    }
}
