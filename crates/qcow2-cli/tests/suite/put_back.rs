//! `unpack --only-allocated`: metadata put back onto a filesystem.

use fixtures::{Qemu, SplitMix, number};

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
