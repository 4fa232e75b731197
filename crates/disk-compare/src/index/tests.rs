use blockio::{AllData, MemoryDisk, WriteAt};

use super::*;
use crate::{Base, Options, changes};

/// The index of two units of data, with zeros between them.
fn index() -> Vec<u8> {
    let mut disk = vec![0; 2000];
    disk[..512].fill(1);
    disk[1999] = 1;
    let file = MemoryDisk::default();
    let mut kept = IndexWriter::new(&file, 2000, 512).unwrap();
    let options = Options::default();
    changes(
        &disk,
        &AllData,
        &Base::Nothing,
        512,
        Some(&mut kept),
        &options,
    )
    .unwrap();
    kept.finish([0xab; 32]).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// `bytes` with the checksum that fits.
fn checked(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut hash = blake3::Hasher::new();
    hash.update(&bytes[96..]);
    hash.update(&bytes[..64]);
    bytes[64..96].copy_from_slice(hash.finalize().as_bytes());
    bytes
}

fn patched(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = index();
    bytes[at..at + value.len()].copy_from_slice(value);
    checked(bytes)
}

fn fault(bytes: &[u8]) -> String {
    match DigestIndex::open(&bytes.to_vec()) {
        Err(Error::Index(fault)) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = index();
    let mut want = b"qcow2idx".to_vec();
    want.extend_from_slice(&[0, 0, 0, 2, 0, 0, 2, 0]);
    want.extend_from_slice(&2000u64.to_be_bytes());
    want.extend_from_slice(&2u64.to_be_bytes());
    want.extend_from_slice(&[0xab; 32]);
    want.extend_from_slice(&[0; 32]);
    want.extend_from_slice(&0u64.to_be_bytes());
    want.extend_from_slice(blake3::hash(&[1; 512]).as_bytes());
    want.extend_from_slice(&3u64.to_be_bytes());
    // The last unit reaches past the end of the disk, where zeros are.
    let mut last = [0; 512];
    last[463] = 1;
    want.extend_from_slice(blake3::hash(&last).as_bytes());
    assert_eq!(bytes, checked(want));
    let opened = DigestIndex::open(&bytes).unwrap();
    assert_eq!((opened.disk_bytes(), opened.unit_bytes()), (2000, 512));
    assert_eq!(opened.binding(), [0xab; 32]);
}

#[test]
fn every_field_may_be_hostile() {
    assert_eq!(fault(&patched(0, b"Q")), "the file is no index of digests");
    assert_eq!(fault(b"qcow2idx"), "the file is no index of digests");
    assert_eq!(
        fault(&patched(8, &[0, 0, 0, 1])),
        "the index has version 1, and only version 2 is read"
    );
    for unit in [0u32, 256, 513, 1 << 22, u32::MAX] {
        let message = fault(&patched(12, &unit.to_be_bytes()));
        assert!(message.starts_with(&format!("the index has units of {unit} bytes;")));
    }
    for records in [0u64, 1, 3, u64::MAX, u64::MAX / 40] {
        assert_eq!(
            fault(&patched(24, &records.to_be_bytes())),
            format!("the index has {records} records, and its 176 bytes are not as many")
        );
    }
    for (unit, disk) in [(0u64, 2000u64), (4, 2000), (u64::MAX, u64::MAX), (3, 1536)] {
        let mut bytes = patched(136, &unit.to_be_bytes());
        bytes[16..24].copy_from_slice(&disk.to_be_bytes());
        let message = format!("the index is damaged: a record of unit {unit} is out of place");
        assert_eq!(fault(&checked(bytes)), message);
    }
    let long = DigestIndex::open(&patched(16, &u64::MAX.to_be_bytes())).map(|_| ());
    long.unwrap();
}

#[test]
fn every_byte_is_checked_and_every_cut_found() {
    let bytes = index();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert!(DigestIndex::open(&flipped).is_err(), "byte {at}");
        assert!(
            DigestIndex::open(&bytes[..at].to_vec()).is_err(),
            "cut at {at}"
        );
    }
    let mut zeroed = bytes.clone();
    zeroed[96..].fill(0);
    assert_eq!(
        fault(&zeroed),
        "the index is damaged: its checksum is wrong"
    );
}

#[test]
fn an_index_of_other_units_is_not_compared_with() {
    let bytes = index();
    let index = DigestIndex::open(&bytes).unwrap();
    let disk = vec![0; 2000];
    let base = Base::Index(&index);
    let found = changes(&disk, &AllData, &base, 1024, None, &Options::default());
    assert!(matches!(found, Err(Error::Unit { unit_bytes: 1024 })));
}

#[test]
fn nothing_is_an_index_before_it_is_finished() {
    let file = MemoryDisk::default();
    let kept = IndexWriter::new(&file, 1 << 40, 65_536).unwrap();
    drop(kept);
    file.set_size(96).unwrap();
    assert!(DigestIndex::open(&file).is_err());
    let no_unit = IndexWriter::new(&file, 1 << 40, 65_537).map(|_| ());
    assert!(matches!(no_unit, Err(Error::Unit { unit_bytes: 65_537 })));
}

/// Storage that fails.
struct Full;

impl WriteAt for Full {
    fn write_at(&self, _: u64, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn write_zeroes(&self, _: u64, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn set_size(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn starts_zeroed(&self) -> bool {
        true
    }
    fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_index_that_cannot_be_written_is_an_error() {
    let full = |error| matches!(error, Error::Index(IndexFault::Write(_)));
    let kept = IndexWriter::new(&Full, 10, 512).unwrap();
    assert!(full(kept.finish([0; 32]).unwrap_err()));
    // More than is gathered.
    let disk: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[1] | 1).collect();
    let mut kept = IndexWriter::new(&Full, 3_000_000, 512).unwrap();
    let options = Options::default();
    let failed = changes(
        &disk,
        &AllData,
        &Base::Nothing,
        512,
        Some(&mut kept),
        &options,
    );
    assert!(full(failed.unwrap_err()));
}
