//! The example does what it says.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "../examples/used_runs.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod used_runs;

use ext_blocks::Options;
use fixtures::ext::{DISK_BYTES, FREE, Filesystem, Kind};

#[test]
fn the_runs_of_a_filesystem_are_printed() {
    let disk = Filesystem::new(Kind::Ext2).bytes;
    let mut out = Vec::new();
    used_runs::print(&disk, &Options::default(), &mut out).unwrap();
    let free = FREE.start;
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("0 {free} Data\n{free} {} Free\n", DISK_BYTES - free)
    );
    let error = used_runs::print(&vec![0; 4096], &Options::default(), Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "no ext superblock");
}
