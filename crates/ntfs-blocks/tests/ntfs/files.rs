//! Files that contradict `$Bitmap`, and bitmaps that are wrong.

use ntfs_blocks::{Distrust, Fault, Finding, Kind};

use crate::build::{DATA, away, record};
use crate::image::{CLUSTERS, Image};

#[test]
fn clusters_of_files_that_are_called_free_are_used() {
    let mut image = Image::new();
    image
        .set(81..83, false)
        .set(102..103, false)
        .set(123..124, true);
    let referenced = |record, first, clusters| Finding::Referenced {
        record,
        first,
        clusters,
    };
    let findings = [
        referenced(24, 81, 2),
        referenced(24, 102, 1),
        Finding::Unreferenced { clusters: 1 },
    ];
    image.used(123..124, &findings);
    for finding in findings {
        assert!(finding.to_string().ends_with("; they are kept"));
    }
    // Of a bad cluster, of a part in another record, and of the system.
    let mut image = Image::new();
    image
        .set(190..191, false)
        .set(121..122, false)
        .set(0..2, false);
    image.used(
        0..0,
        &[
            referenced(7, 0, 2),
            referenced(8, 190, 1),
            referenced(28, 121, 1),
        ],
    );
}

#[test]
fn all_of_the_bitmap_may_be_clear() {
    let mut image = Image::new();
    image.set(0..CLUSTERS, false);
    let filesystem = image.open();
    let found = filesystem.damage();
    assert_eq!(found.total(), 12);
    image.used(0..0, found.findings());
    // Or set.
    image.set(0..CLUSTERS, true);
    let clusters = CLUSTERS - 71;
    image.used(0..CLUSTERS, &[Finding::Unreferenced { clusters }]);
}

#[test]
fn a_record_in_use_counts_whatever_the_bitmap_of_records_says() {
    let mut image = Image::new();
    image.set_record(24, false).set(100..103, false);
    let findings = [
        Finding::RecordInUse { record: 24 },
        Finding::Referenced {
            record: 24,
            first: 100,
            clusters: 3,
        },
    ];
    image.used(0..0, &findings);
}

#[test]
fn clusters_of_two_files_distrust_the_volume() {
    let mut image = Image::new();
    image.record(&record(
        25,
        &[away((DATA, "", 1), 0..1, 9, &[0x11, 1, 84, 0])],
    ));
    image.corrupt(Distrust::Shared {
        record: 25,
        cluster: 84,
    });
    // Twice in one file.
    let mut image = Image::new();
    let pairs = [0x11, 5, 80, 0x11, 3, 4, 0x01, 2, 0];
    image.record(&record(24, &[away((DATA, "", 1), 0..10, 9, &pairs)]));
    image.patch(24, 0x38 + 40, &[0, 0x28]);
    image.corrupt(Distrust::Shared {
        record: 24,
        cluster: 84,
    });
    // With the system.
    let mut image = Image::new();
    image.record(&record(
        25,
        &[away((DATA, "", 1), 0..1, 9, &[0x11, 1, 41, 0])],
    ));
    image.corrupt(Distrust::Shared {
        record: 25,
        cluster: 41,
    });
}

#[test]
fn the_bitmap_has_a_bit_for_each_cluster_and_ones_after_them() {
    let record = 6;
    let mut image = Image::new();
    image.set(203..204, false);
    image.corrupt(Distrust::BitmapEnd { cluster: 203 });
    let mut image = Image::new();
    image.set(255..256, false);
    image.corrupt(Distrust::BitmapEnd { cluster: 255 });
    // 25 bytes are enough.
    let mut image = Image::new();
    image.patch(6, 0x38 + 48, &[25]).patch(6, 0x38 + 56, &[25]);
    image.used(0..0, &[]);
    image.patch(6, 0x38 + 48, &[24]).patch(6, 0x38 + 56, &[24]);
    let (found, needed) = (24, 25);
    image.corrupt(Distrust::BitmapLength {
        record,
        found,
        needed,
    });
    let kind = Kind(DATA);
    let odd = |fault| Distrust::Attribute {
        record,
        kind,
        fault,
    };
    // Bits that were never written.
    let mut image = Image::new();
    image.patch(6, 0x38 + 56, &[24]);
    image.corrupt(odd(Fault::Holes));
    let mut image = Image::new();
    image.patch(6, 0x38 + 64, &[0x01, 1, 0]);
    image.corrupt(odd(Fault::Holes));
    // Longer than the clusters need.
    let mut image = Image::new();
    let bytes = 80 * 1024;
    image.record(&crate::build::record(
        6,
        &[away((DATA, "", 1), 0..80, bytes, &[0x11, 80, 70, 0])],
    ));
    let limit = 25 + 1024 + 65_536;
    let found = bytes;
    image.corrupt(odd(Fault::TooLong { found, limit }));
}

#[test]
fn the_bitmap_of_records_has_a_bit_for_each() {
    let mut image = Image::new();
    let at = 0x38 + 72;
    image.patch(0, at + 48, &[3]).patch(0, at + 56, &[3]);
    let (record, found, needed) = (0, 3, 4);
    image.corrupt(Distrust::BitmapLength {
        record,
        found,
        needed,
    });
    let mut image = Image::new();
    image.patch(0, at, &[0xc0]);
    let (kind, fault) = (Kind(0xb0), Fault::Missing);
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
    let mut image = Image::new();
    image.patch(0, at + 64, &[0x01, 1, 0]);
    let fault = Fault::Holes;
    image.corrupt(Distrust::Attribute {
        record,
        kind,
        fault,
    });
    // Bits that were never written are clear: the record of the file is in use all the same.
    let mut image = Image::new();
    image.patch(0, at + 56, &[3]);
    let found = (24..29).map(|record| Finding::RecordInUse { record });
    image.used(0..0, &found.collect::<Vec<_>>());
}

#[test]
fn streams_compressed_files_and_holes_are_runs_like_others() {
    let mut image = Image::new();
    let mut compressed = away(
        (DATA, "stream", 2),
        0..16,
        16 * 1024,
        &[0x11, 3, 90, 0x01, 13, 0],
    );
    compressed[12] = 1;
    image.record(&record(25, &[compressed]));
    let first = 90;
    image.used(
        90..93,
        &[Finding::Referenced {
            record: 25,
            first,
            clusters: 3,
        }],
    );
    image.set(90..93, true);
    image.used(90..93, &[]);
}
