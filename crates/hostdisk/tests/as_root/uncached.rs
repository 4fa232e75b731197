//! Reading past the page cache.

use std::fs::File;
use std::os::unix::fs::FileExt;

use blockio::ReadAt;
use hostdisk::{Disk, EditedFile, Target, TargetOptions};

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

#[test]
fn a_disk_is_read_as_its_partitions_left_it() {
    if !can_run("page cache of a partition", &["addpart"]) {
        return;
    }
    let (_folder, path) = file_of_zeros(4 << 20);
    let device = Loop::over(&path, &["-P"]);
    let partition = device.add_partition("1", "2048", "2048");
    // Some program has the disk open, and its pages stay cached.
    let keeper = File::open(&device.0).unwrap();
    let mut bytes = [9; 4096];
    keeper.read_exact_at(&mut bytes, 1 << 20).unwrap();
    assert_eq!(bytes, [0; 4096]);

    let writer = File::options().write(true).open(&partition.path).unwrap();
    writer.write_all_at(&[7; 4096], 0).unwrap();
    drop(writer);
    keeper.read_exact_at(&mut bytes, 1 << 20).unwrap();
    assert_eq!(bytes, [0; 4096], "the page was not cached");
    let options = TargetOptions {
        force: true,
        ..TargetOptions::default()
    };
    let target = Target::create(&device.0, &options).unwrap();
    target.read_at(1 << 20, &mut bytes).unwrap();
    assert_eq!(bytes, [7; 4096]);
    drop(target);

    keeper.read_exact_at(&mut bytes, 1 << 20).unwrap();
    let writer = File::options().write(true).open(&partition.path).unwrap();
    writer.write_all_at(&[5; 4096], 0).unwrap();
    drop(writer);
    let disk = Disk::open(&device.0).unwrap();
    disk.read_at(1 << 20, &mut bytes).unwrap();
    assert_eq!(bytes, [5; 4096]);
    drop(disk);

    keeper.read_exact_at(&mut bytes, 1 << 20).unwrap();
    let writer = File::options().write(true).open(&partition.path).unwrap();
    writer.write_all_at(&[3; 4096], 0).unwrap();
    drop(writer);
    let edited = EditedFile::open(&device.0).unwrap();
    edited.read_at(1 << 20, &mut bytes).unwrap();
    assert_eq!(bytes, [3; 4096]);
}

#[test]
fn direct_reads_of_a_device_do_not_see_its_page_cache() {
    if !can_run("direct reads", &[]) {
        return;
    }
    let (_folder, path) = file_of_zeros(1 << 20);
    for sectors in ["512", "4096"] {
        let device = Loop::over(&path, &["-b", sectors]);
        let disk = Disk::open(&device.0).unwrap();
        assert_eq!(disk.sector_bytes().unwrap().to_string(), sectors);
        let mut bytes = [9; 8192];
        disk.read_at(0, &mut bytes).unwrap();
        let stored = bytes[5000];
        let below = File::options().write(true).open(&path).unwrap();
        let marked: Vec<u8> = (0..8192u32)
            .map(|at| at.to_le_bytes()[0] ^ !stored)
            .collect();
        below.write_all_at(&marked, 0).unwrap();
        below.sync_all().unwrap();
        disk.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes[5000], stored, "the page was not cached");

        let direct = disk.direct().unwrap();
        assert_eq!(direct.size(), 1 << 20);
        let mut part = vec![0; 3001];
        direct.read_at(4999, &mut part).unwrap();
        assert!(part == marked[4999..8000]);
        let mut whole = vec![0; 1 << 20];
        direct.read_at(0, &mut whole).unwrap();
        assert!(whole.starts_with(&marked));
        direct.read_at((1 << 20) - 1, &mut [0]).unwrap();
        assert!(direct.read_at((1 << 20) - 1, &mut [0; 2]).is_err());
        drop(device);
    }
}
