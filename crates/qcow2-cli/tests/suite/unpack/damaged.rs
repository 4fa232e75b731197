//! Damaged images, and limits on what is restored.

use fixtures::number;
use fixtures::qcow2::{Version, minimal};

use crate::bench::Bench;

const CLUSTER: usize = 4096;

#[test]
fn a_damaged_image_is_restored_and_its_losses_are_listed() {
    let made = minimal(Version::V3, 12);
    let bench = Bench::new();
    bench.write("image", &made.bytes[..6 * CLUSTER - 1000]);
    bench.fails(
        "unpack image disk",
        1,
        "image: data at host offset 0x5000, for guest bytes 0x2000..0x3000, ends at 0x6000, past the end of the file at 0x5c18: the image is truncated; --salvage restores what can be read",
    );
    let outcome = bench.run("unpack --salvage --lost map image disk");
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(
        outcome.stdout.contains("lost     1000 bytes at 0x2c18\n"),
        "{outcome:?}"
    );
    assert!(
        outcome
            .stdout
            .contains("damage   image: data at host offset 0x5000")
    );
    let mut disk = made.disk.clone();
    disk[3 * CLUSTER - 1000..3 * CLUSTER].fill(0);
    assert!(bench.read("disk") == disk);
    let map = String::from_utf8(bench.read("map")).unwrap();
    assert!(map.contains("0x00002c18  0x000003e8  -\n"), "{map}");

    let json = bench.run("unpack --salvage --force --output json image disk");
    assert_eq!(json.code, Some(4));
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["lost"]["bytes"], 1000);
    assert_eq!(report["lost"]["ranges"][0]["start"], 0x2c18);
}

#[test]
fn an_image_of_which_nothing_is_lost_is_told_from_a_good_one() {
    let mut made = minimal(Version::V3, 12);
    let bench = Bench::new();
    bench.write("image", &made.bytes);
    bench.ok("unpack --salvage --lost map image disk");
    let map = String::from_utf8(bench.read("map")).unwrap();
    assert!(!map.contains("  -\n"), "{map}");
    made.bytes[2 * CLUSTER + 11] = 0;
    bench.write("image", &made.bytes);
    let outcome = bench.run("unpack --salvage --force image disk");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(
        outcome
            .stdout
            .contains("damage   image: data of guest offset 0x2000")
    );
    assert!(bench.read("disk") == made.disk);
}

#[test]
fn salvage_has_its_limits() {
    let bench = Bench::new();
    bench.write("image", minimal(Version::V3, 12).bytes);
    assert_eq!(bench.run("unpack --lost map image disk").code, Some(2));
    // The map is neither the image nor the target.
    let outcome = bench.run("unpack --salvage --force --lost image image disk");
    assert!(
        outcome.stderr.contains("is the source itself"),
        "{outcome:?}"
    );
    bench.write("broken", "no image");
    assert_eq!(bench.run("unpack --salvage broken disk").code, Some(1));
    assert_eq!(bench.names(), ["broken", "image"]);
}

#[test]
fn more_data_than_allowed_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    bench.write("image", minimal(Version::V3, 12).bytes);
    bench.fails(
        "unpack --max-output 4095 image disk",
        1,
        "image: it restores to more than the 4095 bytes that --max-output allows",
    );
    assert_eq!(bench.names(), ["image"]);
    let json = bench.ok("unpack --max-output 4K --output json image disk");
    assert_eq!(number(&json, "written_bytes"), Some(4096));
}
