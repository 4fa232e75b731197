use super::*;
use blockio::{MemoryDisk, ReadAt};

#[test]
fn a_writer_may_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<ImageWriter<MemoryDisk>>();
}

#[test]
fn free_clusters_that_are_left_over_are_not_counted() {
    let options = WriteOptions {
        size: 64 << 10,
        cluster_bits: ClusterBits::MIN,
        ..WriteOptions::default()
    };
    let mut writer = ImageWriter::create(MemoryDisk::default(), &options).unwrap();
    writer.tables.allocator = Allocator::new(12, [8..10, 4..6], &writer.layout);
    // Two tables go to clusters 4 and 5, of which one stays empty; data to cluster 8.
    writer.reserve([0, 1].into_iter()).unwrap();
    writer.write_at(0, &[1]).unwrap();
    let mut want = Refcounts::default();
    for (end, count) in [(5, 1), (6, 0), (9, 1), (10, 0), (12, 1)] {
        want.push_until(end, count);
    }
    assert_eq!(writer.refcounts(), want);
}

#[test]
fn the_target_comes_back() {
    let mut writer = ImageWriter::create(MemoryDisk::default(), &WriteOptions::default()).unwrap();
    writer.write_at(0, &[]).unwrap();
    let (target, report) = writer.finish().unwrap();
    assert_eq!(target.size(), report.image_bytes);
}
