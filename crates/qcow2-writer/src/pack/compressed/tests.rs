use super::*;
use crate::options::WriteOptions;
use blockio::{ExtentKind, WriteAt};
use qcow2_format::ClusterBits;
use qcow2_format::header::CompressionType;
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// A huge new store that keeps what is written, by its offset.
#[derive(Default)]
struct Far(Mutex<BTreeMap<u64, Vec<u8>>>);

impl ReadAt for Far {
    fn size(&self) -> u64 {
        1 << 60
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl WriteAt for Far {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(offset, bytes.to_vec());
        Ok(())
    }
    fn write_zeroes(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn set_size(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn starts_zeroed(&self) -> bool {
        true
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

const MIB_2: usize = 2 << 20;

/// Where no stream can begin any more, with clusters of 2 MiB: at 512 TiB.
const HOST_END: u64 = 1 << 49;

#[test]
fn behind_the_last_place_of_a_stream_clusters_stay_as_they_are() {
    let cluster = |noise_bytes| {
        let mut state = 1u32;
        let mut bytes = vec![0x77; MIB_2];
        for byte in &mut bytes[..noise_bytes] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = state.to_be_bytes()[0];
        }
        bytes
    };
    let noisy = cluster(3 << 19);
    let disk = [noisy.clone(), noisy, cluster(9), cluster(MIB_2 - 9)].concat();

    let (store, pool) = (Far::default(), BufferPool::new());
    let options = WriteOptions {
        size: disk.size(),
        cluster_bits: ClusterBits::MAX,
        ..WriteOptions::default()
    };
    let mut image = ImageWriter::create(&store, &options).unwrap();
    image.reserve([0].into_iter()).unwrap();
    // One whole cluster is left before the limit.
    image.skip_to((HOST_END >> 21) - 1);
    let layout = *image.layout();
    let mut writer = CompressedWriter::new(image, CompressionType::Zstd);
    let mut compressor = Compressor::new(&Compression::Zstd { level: 1 });
    let whole = [Ok(Extent::new(0..disk.size(), ExtentKind::Data))].into_iter();
    for batch in Batches::new(whole, ClusterBits::MAX, 4 << 21, Allocation::Needed) {
        CompressedBatch::load(batch.unwrap(), &layout, &disk, &pool, &mut compressor)
            .unwrap()
            .store(&layout, &disk, &pool, &mut writer)
            .unwrap();
    }
    assert_eq!(writer.flush().unwrap(), 2);

    let written = store.0.into_inner().unwrap();
    let table = &written[&(2 * (2 << 20))];
    let entries: Vec<_> = table
        .as_chunks()
        .0
        .iter()
        .copied()
        .map(u64::from_be_bytes)
        .collect();
    let mask = HOST_END - 1;
    // The second stream begins in the last cluster and ends after the limit.
    let first = HOST_END - (2 << 20);
    assert_eq!((entries[0] >> 62, entries[0] & mask), (1, first));
    assert_eq!(entries[1] >> 62, 1);
    assert!((first + (3 << 19)..HOST_END).contains(&(entries[1] & mask)));
    // What comes after it is not compressed, however well it would.
    let plain = 0x8000_0000_0000_0000 | HOST_END;
    assert_eq!(entries[2..4], [plain + (2 << 20), plain + (4 << 20)]);
    let stored: Vec<u8> = written
        .range(HOST_END + (2 << 20)..)
        .flat_map(|(_, bytes)| bytes.iter().copied())
        .collect();
    assert!(stored == disk[2 * MIB_2..]);
}
