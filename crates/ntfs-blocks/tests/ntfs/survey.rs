//! Sound volumes.

use blockio::{Extent, ExtentKind, MemoryDisk, Tiling, clip};
use ntfs_blocks::{Evidence, Options, Trust, find};

use crate::build::UNIT;
use crate::image::{CLUSTERS, Image, extents};

#[test]
fn a_sound_volume_has_the_clusters_of_its_files() {
    let image = Image::new();
    image.used(0..0, &[]);
    let filesystem = image.open();
    let info = filesystem.info();
    assert_eq!(info.label, "Größe".as_bytes());
    assert_eq!(info.serial, 0x0123_4567_89ab_cdef);
    assert_eq!(info.version, Some((3, 1)));
    assert_eq!((info.sector_bytes, info.cluster_bytes), (512, 1024));
    assert_eq!((info.clusters, info.bytes), (CLUSTERS, CLUSTERS * 1024));
    assert_eq!(info.record_bytes, 1024);
    let used = 9 + 32 + 4 + 8 + 2 + 5 + 3 + 4 + 3 + 1;
    assert_eq!(info.free_bytes, (CLUSTERS - used) * 1024);
    assert_eq!(filesystem.disk().len(), image.0.len());
}

#[test]
fn the_backup_boot_sector_and_what_follows_are_used() {
    let image = Image::new();
    let extents = extents(&image.open(), image.0.len());
    let last = extents.last().unwrap();
    let start = CLUSTERS * UNIT as u64;
    assert_eq!(*last, Extent::new(start..start + 812, ExtentKind::Data));
}

#[test]
fn any_range_has_its_part_of_the_extents() {
    let image = Image::new();
    let filesystem = image.open();
    let size = image.0.len() as u64;
    let all = extents(&filesystem, image.0.len());
    for start in (0..size).step_by(311) {
        for end in [start, start + 1, start + 1000, start + 30_000, size] {
            let range = start..end.min(size);
            let part: Vec<_> = filesystem
                .extents(range.clone())
                .map(Result::unwrap)
                .collect();
            let whole = all.iter().copied().map(Ok::<_, std::io::Error>);
            let wanted: Vec<_> = clip(whole, range.clone()).map(Result::unwrap).collect();
            assert_eq!(part, wanted, "{range:?}");
        }
    }
}

#[test]
fn the_bitmap_alone_needs_no_records() {
    let mut image = Image::new();
    // The record of a file is rubbish.
    image.put(Image::at(24), &[0x5a; UNIT]);
    let mut options = Options::default();
    options.evidence = Evidence::Bitmap;
    let candidate = find(&image.0).unwrap().unwrap();
    let filesystem = candidate.open(&image.0, &options).unwrap();
    assert_eq!(filesystem.trust(), Trust::Bitmap);
    let whole = Image::new();
    let free = whole.open().info().free_bytes;
    assert_eq!(filesystem.info().free_bytes, free);
}

#[test]
fn what_is_no_ntfs_is_none() {
    for bytes in [vec![], vec![0; 511], vec![0; 4096]] {
        assert!(find(&MemoryDisk::new(bytes)).unwrap().is_none());
    }
    let mut image = Image::new();
    image.put(3, b"-FVE-FS-");
    assert!(find(&image.0).unwrap().is_none());
}

#[test]
fn a_volume_without_a_name_and_a_serial_number_has_none() {
    let mut image = Image::new();
    image.put(72, &[0; 8]);
    // The name becomes an attribute of another type.
    image.patch(3, 0x38, &[0x50]);
    let filesystem = image.open();
    assert_eq!(filesystem.info().label, b"");
    assert_eq!(filesystem.info().serial, 0);
}
