//! Reading past the page cache.

use std::fs::File;
use std::os::unix::fs::FileExt;

use blockio::{Disk, ReadAt};

use crate::tools::{Loop, can_run, file_of_zeros};

#[test]
fn what_the_storage_holds_is_read_and_not_what_was_cached() {
    if !can_run("page cache", &[]) {
        return;
    }
    let (_folder, path) = file_of_zeros(1 << 20);
    let device = Loop::over(&path, &[]);
    let disk = Disk::open(&device.0).unwrap();
    let mut bytes = [9; 4096];
    disk.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 4096]);

    // Changed behind the back of the device, whose pages stay as they were.
    let below = File::options().write(true).open(&path).unwrap();
    below.write_all_at(&[7; 4096], 0).unwrap();
    below.sync_all().unwrap();
    disk.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 4096], "the page was not cached");
    disk.uncached().read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [7; 4096]);
}
