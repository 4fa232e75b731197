//! The examples do what they say.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "../examples/list_extents.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod list_extents;
#[path = "../examples/read_range.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod read_range;

use fixtures::qcow2::{Version, minimal};

#[test]
fn a_range_is_read() {
    let image = minimal(Version::V3, 9);
    let mut out = Vec::new();
    read_range::read(&image.bytes, 1000, 1500, &mut out).unwrap();
    assert_eq!(out, image.disk[1000..2500]);
    let error = read_range::read(&image.bytes, 3000, 1000, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "the disk ends at 3072");
}

#[test]
fn extents_are_listed_with_their_places() {
    let mut out = Vec::new();
    list_extents::list(minimal(Version::V3, 9).bytes, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "0 1024 Unallocated\n\
         1024 512 Data\n\
         1536 512 Zero\n\
         2048 1024 Unallocated\n\
         0..1024: Unallocated\n\
         1024..1536: Data { host: HostOffset(2560) }\n\
         1536..2048: Zero\n\
         2048..3072: Unallocated\n"
    );
}
