//! Images over older ones: `pack --base`.

mod generations;
mod index;
mod name;
mod refusals;

use fixtures::{DIRTY, E2fs, Qemu, SplitMix, number};

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
fn a_recovered_filesystem_is_compared_as_it_will_be() {
    let Some(e2fs) = E2fs::require() else { return };
    let dirty = DIRTY.iter().find(|dirty| dirty.name == "v3").unwrap();
    let bench = Bench::new();
    dirty.make(&e2fs, &bench.path("disk")).unwrap();
    bench.run("pack --write-index old.index disk old");
    bench.ok("pack --recover disk whole");
    bench.ok("pack --recover --verify --base old disk new");
    bench.ok("pack --recover --verify --base old --index old.index disk same");
    assert!(bench.read("new") == bench.read("same"));
    for image in ["whole", "new"] {
        bench.ok(&format!("unpack --references beside {image} {image}.disk"));
    }
    assert!(bench.read("whole.disk") == bench.read("new.disk"));
    assert!(bench.read("new").len() < bench.read("whole").len());
}

#[test]
fn clusters_are_as_large_as_those_of_the_base_unless_asked_otherwise() {
    for (base, asked, want) in [
        ("--cluster-size 4K", "", 4 << 10),
        ("--cluster-size 1M", "", 1 << 20),
        ("--cluster-size 4K", "--cluster-size 64K", 64 << 10),
        ("", "", 64 << 10),
    ] {
        let bench = bench(&format!("{base} --write-index index"));
        let index = if asked.is_empty() {
            "--index index"
        } else {
            ""
        };
        let report = bench.ok(&format!(
            "pack --verify --output json {asked} --base old {index} disk new"
        ));
        restores(&bench, "new");
        assert_eq!(
            number(&report, "cluster_size"),
            Some(want),
            "{base} {asked}"
        );
    }
}
