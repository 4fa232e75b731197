//! What each item of a transaction changes.

use super::image::{COMMIT, Image, META_UUID, START, UUID, buffer, head, op, whole};
use crate::checksum;
use crate::log::LogFault;

/// Byte of the AGF of the second group, and its block of 512 bytes.
const AGF: usize = 1024 * 4096 + 512;
const AGF_BLOCK: u64 = 8193;
/// Flags of a buffer item for an AGF, a btree block, and inodes.
const IS_AGF: u16 = 5 << 11;
const IS_BTREE: u16 = 4 << 11;
const CANCEL: u16 = 2;
const INODES: u16 = 1;

/// A chunk of 128 bytes with `bytes` at its start.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = bytes.to_vec();
    chunk.resize(128, 0);
    chunk
}

/// Transactions of one record, or of one each, in the first blocks of the log.
fn log(image: &mut Image, transactions: &[Vec<Vec<u8>>]) {
    let mut next = 0;
    for (id, regions) in (1..).zip(transactions) {
        next = image.record((1, next), (1, 0), &whole(id, regions));
    }
}

fn with(transactions: &[Vec<Vec<u8>>]) -> Image {
    let mut image = Image::new();
    log(&mut image, transactions);
    image
}

fn item_fault(kind: u16, field: &'static str, found: u64) -> LogFault {
    LogFault::Item { kind, field, found }
}

#[test]
fn a_buffer_gets_its_chunks_its_lsn_and_its_checksum() {
    let mut image = with(&[vec![
        buffer(3, IS_AGF, 1, AGF_BLOCK, 0b1101),
        chunk(b"XAGF"),
        [chunk(&[0xaa; 128]), chunk(&[0xbb; 128])].concat(),
    ]]);
    image.put(AGF, &[0x55; 512]);
    let replay = image.replay();
    let agf = u64::try_from(AGF).unwrap();
    let sector = agf..agf + 512;
    assert_eq!(replay.touched, std::slice::from_ref(&sector));
    assert_eq!((replay.transactions, replay.is_only_superblock), (1, false));
    let after = image.after();
    let sector = &after[AGF..AGF + 512];
    assert_eq!(sector[..128], chunk(b"XAGF"));
    // The number is put into a chunk that is not logged.
    assert_eq!(sector[128..208], [0x55; 80]);
    assert_eq!(sector[208..216], [0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(
        sector[216..220],
        checksum::compute(sector, 216).to_le_bytes()
    );
    assert_eq!(sector[220..256], [0x55; 36]);
    assert_eq!(sector[256..384], [0xaa; 128]);
    assert_eq!(sector[384..], [0xbb; 128]);
    // Nothing else changes.
    let (before, rest) = (&image.disk[..AGF], &image.disk[AGF + 512..]);
    assert!(after[..AGF] == *before && after[AGF + 512..] == *rest);
}

#[test]
fn stored_metadata_that_is_not_older_stays() {
    let replayed = |lsn: u64, uuid: &[u8; 16]| {
        let mut image = Image::new();
        let first = image.record((7, 0), (7, 0), &whole(1, &[]));
        let item = buffer(2, IS_AGF, 1, AGF_BLOCK, 1);
        let ops = whole(2, &[item, chunk(b"XAGFnew")]);
        let next = image.record((7, first), (7, 0), &ops);
        image.older(next, 6);
        image.put(AGF, b"XAGFold");
        image.put(AGF + 64, uuid);
        image.put(AGF + 208, &lsn.to_be_bytes());
        image.after()[AGF + 4..AGF + 7] == *b"new"
    };
    // The record is in block 2 of cycle 7.
    let lsn = 7 << 32 | 2;
    assert!(replayed(lsn - 1, &META_UUID));
    assert!(!replayed(lsn, &META_UUID));
    assert!(!replayed(lsn + 1, &META_UUID));
    assert!(!replayed(8 << 32, &META_UUID));
    assert!(replayed(6 << 32 | 900, &META_UUID));
    // None, and that of an older filesystem.
    assert!(replayed(0, &META_UUID));
    assert!(replayed(u64::MAX, &META_UUID));
    assert!(replayed(lsn, &UUID));
}

#[test]
fn transactions_of_one_record_are_all_replayed() {
    let mut first = chunk(b"XAGF one");
    // The first chunk of the AGF has its UUID.
    first[64..80].copy_from_slice(&META_UUID);
    let mut image = Image::new();
    let regions = |with: u8| {
        let item = buffer(3, IS_AGF, 1, AGF_BLOCK, 0b101);
        vec![item, first.clone(), vec![with; 128]]
    };
    let ops = [whole(1, &regions(1)), whole(2, &regions(2))].concat();
    image.record((1, 0), (1, 0), &ops);
    assert_eq!(image.after()[AGF + 256..AGF + 384], [2; 128]);
}

#[test]
fn a_region_goes_on_in_the_next_record() {
    let item = buffer(2, 0, 8, 9000, 0b11);
    let (continues, was, end) = (4, 8, 0x10);
    let mut image = Image::new();
    // The header is cut, then the region, twice.
    let first = [op(5, START, &[]), op(5, continues, &head()[..7])];
    let next = image.record((1, 0), (1, 0), &first);
    let second = [
        op(5, was | end, &head()[7..]),
        op(5, 0, &item),
        op(5, continues, &[1; 100]),
    ];
    let next = image.record((1, next), (1, 0), &second);
    let third = [op(5, was | continues, &[2; 100]), op(6, COMMIT, &[])];
    let next = image.record((1, next), (1, 0), &third);
    let open = image.disk.clone();
    let last = [op(5, was | end, &[3; 56]), op(5, COMMIT, &[])];
    image.record((1, next), (1, 0), &last);
    let wanted = [&[1; 100][..], &[2; 100], &[3; 56]].concat();
    let at = 9000 * 512;
    assert_eq!(image.after()[at..at + 256], wanted);
    // Without its commit it does not count.
    image.disk = open;
    assert_eq!(image.replay().transactions, 0);
    assert_eq!(image.after(), image.disk);
}

#[test]
fn what_was_freed_later_is_not_replayed() {
    let item = |flags, chunks| buffer(1 + u16::from(chunks > 0), flags, 8, 9000, chunks);
    let old = vec![item(IS_BTREE, 1), chunk(b"old")];
    let freed = vec![item(CANCEL, 0)];
    let new = vec![item(IS_BTREE, 1), chunk(b"new")];
    let at = 9000 * 512;
    let image = with(&[old.clone(), freed.clone()]);
    assert_eq!(image.after(), image.disk);
    assert_eq!(image.replay().touched, []);
    // After that it is, until it is freed again.
    let image = with(&[old.clone(), freed.clone(), new.clone()]);
    assert_eq!(image.after()[at..at + 3], *b"new");
    let image = with(&[old.clone(), freed.clone(), new, freed.clone()]);
    assert_eq!(image.after(), image.disk);
    // Another length is another buffer.
    let shorter = vec![buffer(1, CANCEL, 4, 9000, 0)];
    let image = with(&[old.clone(), shorter]);
    assert_eq!(image.after()[at..at + 3], *b"old");
    // A transaction that was not committed frees nothing.
    let mut image = with(&[old]);
    let mut ops = whole(9, &freed);
    ops.pop();
    image.record((1, 2), (1, 0), &ops);
    assert_eq!(image.after()[at..at + 3], *b"old");
}

#[test]
fn only_links_are_replayed_of_a_buffer_of_inodes() {
    // Chunks 0 and 4, in which two inodes begin.
    let mut image = with(&[vec![
        buffer(3, INODES, 8, 9000, 0b1_0001),
        chunk(&[0xcc; 128]),
        chunk(&[0xdd; 128]),
    ]]);
    let at = 9000 * 512;
    for inode in 0..8 {
        image.put(at + inode * 512, &[0x49, 0x4e, 0, 0, 3]);
    }
    let after = image.after();
    let mut wanted = image.disk.clone();
    for (inode, with) in [(0, 0xcc), (1, 0xdd)] {
        let start = at + inode * 512;
        wanted[start + 96..start + 100].copy_from_slice(&[with; 4]);
        let sum = checksum::compute(&wanted[start..start + 512], 100);
        wanted[start + 100..start + 104].copy_from_slice(&sum.to_le_bytes());
    }
    assert!(after == wanted);
    // 0 is no link.
    let item = buffer(2, INODES, 8, 9000, 1);
    let image = with(&[vec![item, chunk(&[])]]);
    let fault = item_fault(0x123c, "di_next_unlinked", 0);
    assert_eq!(image.fault(), fault);
}

#[test]
fn the_superblock_alone_is_noticed() {
    let mut image = Image::new();
    image.geometry.filesystem.has_crc = false;
    let item = vec![buffer(2, 18 << 11, 1, 0, 0b1000), chunk(&[])];
    log(&mut image, &[item.clone(), item.clone()]);
    // It is none.
    assert_eq!(image.fault(), LogFault::Superblock);
    let other = vec![buffer(1, CANCEL, 8, 9000, 0)];
    let mut image = with(&[other]);
    assert!(!image.replay().is_only_superblock);
    image = with(&[]);
    image.record((1, 0), (1, 0), &[op(1, 0, &[])]);
    assert!(image.replay().is_only_superblock);
}

#[test]
fn items_that_are_not_known_or_not_sound_keep_everything() {
    let fault = |regions: &[Vec<u8>]| with(&[regions.to_vec()]).fault();
    let unknown = LogFault::UnknownItem { kind: 0x1238 };
    assert_eq!(fault(&[vec![0x38, 0x12, 1, 0]]), unknown);
    let unknown = LogFault::UnknownItem { kind: 0x124a };
    assert_eq!(fault(&[vec![0x4a, 0x12, 1, 0]]), unknown);
    let item = |field, found| item_fault(0x123c, field, found);
    // Fewer regions than it says, none, and too many.
    let good = buffer(2, 0, 8, 9000, 1);
    assert_eq!(fault(std::slice::from_ref(&good)), item("regions", 2));
    let none = vec![0x3c, 0x12, 0, 0];
    assert_eq!(fault(&[none]), item("regions", 0));
    let many = vec![0x3c, 0x12, 2, 1];
    assert_eq!(fault(&[many]), item("regions", 258));
    // Fewer or more bytes than the map says.
    let short = vec![0; 64];
    assert_eq!(fault(&[good.clone(), short]), item("a region of bytes", 64));
    let long = vec![0; 256];
    assert_eq!(fault(&[good.clone(), long]), item("a region of bytes", 256));
    // Chunks past its end, blocks past that of the filesystem.
    let past = vec![buffer(2, 0, 1, 9000, 1 << 4), chunk(&[])];
    assert_eq!(fault(&past), item("changes up to byte", 640));
    let past = vec![buffer(2, 0, 8, 16377, 1), chunk(&[])];
    assert_eq!(fault(&past), item("blf_blkno", 16377));
    let past = vec![buffer(2, 0, 8, u64::MAX, 1), chunk(&[])];
    assert_eq!(fault(&past), item("blf_blkno", u64::MAX));
    let flags = vec![buffer(2, 0x20, 8, 9000, 1), chunk(&[])];
    assert_eq!(fault(&flags), item("blf_flags", 0x20));
    let long = vec![buffer(2, 0, 137, 9000, 1), chunk(&[])];
    assert_eq!(fault(&long), item("blf_len", 137));
    let mut map = good;
    map[16] = 18;
    assert_eq!(fault(&[map, chunk(&[])]), item("blf_map_size", 18));
}

#[test]
fn operations_that_are_not_sound_keep_everything() {
    let fault = |ops: &[Vec<u8>]| {
        let mut image = Image::new();
        image.record((1, 0), (1, 0), ops);
        image.fault()
    };
    let wrong = |field, found| LogFault::Operation {
        block: 0,
        field,
        found,
    };
    let start = op(1, START, &[]);
    let twice = [start.clone(), start.clone()];
    assert_eq!(fault(&twice), wrong("oh_flags", 1));
    let continued = [start.clone(), op(1, 8, &[7])];
    assert_eq!(fault(&continued), wrong("oh_flags", 8));
    let with_bytes = [op(1, START, &[7])];
    assert_eq!(fault(&with_bytes), wrong("oh_len", 1));
    let mut client = start.clone();
    client[8] = 2;
    assert_eq!(fault(&[client]), wrong("oh_clientid", 2));
    let mut long = op(1, 0, &[0; 8]);
    long[7] = 9;
    assert_eq!(fault(&[start.clone(), long]), wrong("oh_len", 9));
    assert_eq!(fault(&[start.clone(), vec![0; 7]]), wrong("bytes left", 7));
    // A transaction without its header.
    let headless = [start, op(1, COMMIT, &[])];
    assert_eq!(fault(&headless), item_fault(0, "th_magic", 0));
}
