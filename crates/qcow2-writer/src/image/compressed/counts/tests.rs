use super::*;
use blockio::MemoryDisk;
use qcow2_format::ClusterBits;

const SMALLEST: Geometry = Geometry {
    cluster_bits: ClusterBits::MIN,
    extended_l2: false,
};

/// An entry for a stream at `host` that ends in the sector `sectors` of 512
/// bytes after that one, with clusters of 512 bytes.
fn stream(host: u64, sectors: u64) -> u64 {
    0x4000_0000_0000_0000 | sectors << 61 | host
}

/// The counts that the tables in `clusters`, one after the other from offset
/// 512 on, lead to.
fn counts(tables: &[&[u64]]) -> Result<Vec<(u64, u64)>, Error> {
    let mut bytes = vec![0; 512 * (tables.len() + 1)];
    for (cluster, table) in bytes.chunks_mut(512).skip(1).zip(tables) {
        for (raw, entry) in cluster.chunks_mut(8).zip(*table) {
            raw.copy_from_slice(&entry.to_be_bytes());
        }
    }
    let disk = MemoryDisk::new(bytes);
    let file = ImageFile::new(&disk);
    let places = (1..).map(|cluster| HostOffset(cluster * 512));
    CompressedCounts::new(places.take(tables.len()), 10..20, SMALLEST, &file)
        .map(|count| count.map(|count| (count.cluster, count.streams)))
        .collect()
}

#[test]
fn streams_are_counted_in_every_cluster_they_touch() {
    let plain = 0x8000_0000_0000_1a00;
    let first = [0, stream(10 * 512, 0), stream(10 * 512 + 400, 1), plain];
    let second = [0, 0, stream(11 * 512 + 20, 0), 0, stream(19 * 512 + 511, 0)];
    let got = counts(&[&first, &[], &second]).unwrap();
    assert_eq!(got, [(10, 2), (11, 2), (19, 1)]);
    assert_eq!(counts(&[]).unwrap(), []);
}

#[test]
fn entries_that_were_never_written_are_noticed() {
    for raw in [
        // Before and after what was handed out, or before the last one.
        stream(9 * 512, 0),
        stream(19 * 512 + 1, 1),
        stream(11 * 512, 0),
        // Zeros that have a cluster, and no multiple of 512.
        0x8000_0000_0000_1a01,
        0x8000_0000_0000_1a02 | 1 << 55 | 1,
        stream(1 << 56, 0),
    ] {
        let error = counts(&[&[stream(12 * 512, 0), raw]]).unwrap_err();
        let Error::ChangedBelow {
            table,
            index,
            raw: found,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((table, index, found), (HostOffset(512), 1, raw));
    }
}

#[test]
fn a_table_that_cannot_be_read_is_an_error() {
    let disk = MemoryDisk::default();
    let file = ImageFile::new(&disk);
    let tables = [HostOffset(512)].into_iter();
    let mut counts = CompressedCounts::new(tables, 0..1, SMALLEST, &file);
    assert!(matches!(counts.next(), Some(Err(Error::ReadBack { .. }))));
}
