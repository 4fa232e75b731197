//! The examples do what they say.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "../examples/any_order.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod any_order;
#[path = "../examples/pack_filesystem.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod pack_filesystem;

use std::fs;

use blockio::MemoryDisk;
use fixtures::ext::{Filesystem, Kind, STALE};

#[test]
fn a_filesystem_is_packed_without_its_free_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, image) = (folder.path().join("disk"), folder.path().join("image"));
    let bytes = Filesystem::new(Kind::Ext4).bytes;
    fs::write(&disk, &bytes).unwrap();
    let report = pack_filesystem::pack(&disk, &image).unwrap();
    let used = u64::try_from(bytes.len()).unwrap();
    assert!(report.used_bytes < used, "{report:?}");
    let image = fs::read(&image).unwrap();
    assert_eq!(image.get(..4), Some(b"QFI\xfb".as_slice()));
    let stale = usize::try_from(STALE[0].start).unwrap();
    let stale = &bytes[stale..stale + 512];
    assert!(image.chunks(512).all(|part| part != stale));
}

#[test]
fn a_disk_is_not_its_own_image() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::write(&disk, Filesystem::new(Kind::Ext4).bytes).unwrap();
    assert!(pack_filesystem::pack(&disk, &disk).is_err());
    assert_eq!(fs::read(&disk).unwrap(), Filesystem::new(Kind::Ext4).bytes);
}

#[test]
fn writes_in_any_order_are_one_image() {
    let target = MemoryDisk::default();
    let report = any_order::write(&target).unwrap();
    assert_eq!(report.stored_clusters, 2);
    assert_eq!(report.stored_bytes, 2 * 65536);
}
