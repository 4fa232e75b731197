//! A small image with a byte changed or cut off, through the whole program.

use std::fs;
use std::time::{Duration, Instant};

use fixtures::qcow2::{Version, minimal};

use crate::bench::Bench;

/// What one run may take.
const RUN_MAX: Duration = Duration::from_secs(10);
/// Of what is zero or data, one byte of so many is changed or cut at.
const STRIDE: usize = 37;

/// Restores the image, which must end with one of `codes`, and leaves a disk of its
/// own unless it fails.
#[track_caller]
fn ends(bench: &Bench, arguments: &str, codes: &[i32], what: &str) {
    let start = Instant::now();
    let outcome = bench.run(arguments);
    assert!(start.elapsed() < RUN_MAX, "{what}: {:?}", start.elapsed());
    let code = outcome.code.filter(|code| codes.contains(code));
    let code = code.unwrap_or_else(|| panic!("{what}: {outcome:?}"));
    if code == 1 {
        assert!(!outcome.stderr.is_empty(), "{what}");
        assert_eq!(bench.names(), ["image"], "{what}");
    } else {
        assert_eq!(bench.names(), ["disk", "image"], "{what}");
        fs::remove_file(bench.path("disk")).unwrap();
    }
}

fn is_survived(bench: &Bench, image: &[u8], what: &str) {
    bench.write("image", image);
    ends(bench, "unpack --no-sync image disk", &[0, 1], what);
    let salvage = "unpack --no-sync --salvage image disk";
    ends(bench, salvage, &[0, 1, 3, 4], what);
}

#[test]
fn changed_and_cut_images_are_restored_or_refused() {
    let bench = Bench::new();
    for version in [Version::V2, Version::V3] {
        let mut image = minimal(version, 9).bytes;
        bench.write("image", &image);
        bench.ok("unpack image disk");
        fs::remove_file(bench.path("disk")).unwrap();

        let data = 5 * 512;
        let places = (0..image.len())
            .filter(|at| at % STRIDE == 0 || *at < 112 || *at < data && at % 512 < 40);
        for at in places.collect::<Vec<_>>() {
            let mask = if at % 2 == 0 { 1 << (at / 2 % 8) } else { 0xff };
            image[at] ^= mask;
            let what = format!("{version:?}, {at:#x}^{mask:#x}");
            is_survived(&bench, &image, &what);
            image[at] ^= mask;
        }
        for length in (0..image.len()).step_by(STRIDE) {
            let what = format!("{version:?} cut to {length:#x}");
            is_survived(&bench, &image[..length], &what);
        }
    }
}
