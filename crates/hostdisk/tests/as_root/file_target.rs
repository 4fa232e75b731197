//! Outputs on filesystems made for them.

use std::fs;

use blockio::WriteAt;
use hostdisk::{Target, TargetOptions};

use crate::tools::{Loop, Mount, can_run, file_of_zeros, run};

#[test]
fn a_full_filesystem_is_told_and_nothing_is_left() {
    if !can_run("full filesystem", &["mkfs.ext4"]) {
        return;
    }
    let (folder, path) = file_of_zeros(2 << 20);
    run("mkfs.ext4", ["-q".as_ref(), path.as_os_str()]);
    let device = Loop::over(&path, &[]);
    let place = folder.path().join("place");
    let _mount = Mount::new(&device.0, place.clone(), "rw");
    let before = fs::read_dir(&place).unwrap().count();
    let target = Target::create(place.join("output.img"), &TargetOptions::default()).unwrap();
    let error = target.write_at(0, &vec![7; 4 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(target);
    assert_eq!(fs::read_dir(&place).unwrap().count(), before);
}
