//! Clean or not, and where the log ends.

use super::image::{Image, UNMOUNT, buffer, op, whole};
use crate::log::LogFault;

/// What an unmount writes: 8 bytes from mkfs, none from the kernel.
fn unmount(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![op(0xb0c0_d0d0, UNMOUNT, bytes)]
}

/// A transaction that puts 0xEE into the second chunk of the buffer in block 9000, of
/// 512 bytes each.
fn change(id: u32, with: u8) -> Vec<Vec<u8>> {
    whole(id, &[buffer(2, 0, 8, 9000, 0b10), vec![with; 128]])
}

const CHANGED: usize = 9000 * 512 + 128;

#[test]
fn a_log_that_was_never_used_is_clean() {
    let mut image = Image::new();
    assert!(image.is_clean());
    image.put((1 << 20) + 77 * 512 + 5, &[1]);
    assert_eq!(image.fault(), LogFault::PartlyZero { block: 77 });
}

#[test]
fn an_unmount_leaves_a_clean_log_in_either_form() {
    for bytes in [&b"nU\0\0\0\0\0\0"[..], &[]] {
        let mut image = Image::new();
        image.record((1, 0), (1, 0), &unmount(bytes));
        assert!(image.is_clean());
        // Anywhere, after whatever.
        let mut image = Image::new();
        let next = image.record((5, 0), (5, 0), &change(1, 0xee));
        let next = image.record((5, next), (5, 0), &unmount(bytes));
        image.older(next, 4);
        assert!(image.is_clean());
        // Without its flag it is a log that is not clean, in which nothing is committed.
        let mut image = Image::new();
        image.record((1, 0), (1, 0), &[op(7, 0, bytes)]);
        assert_eq!(image.replay().transactions, 0);
        // Together with other operations it is none.
        let mut image = Image::new();
        let mut ops = unmount(bytes);
        ops.extend(change(1, 0xee));
        image.record((1, 0), (1, 0), &ops);
        assert_eq!(image.replay().transactions, 1);
    }
}

#[test]
fn an_unmount_that_is_damaged_proves_nothing() {
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &unmount(b"nU\0\0\0\0\0\0"));
    let (sum, data) = (image.log_byte(0) + 32, image.log_byte(1) + 14);
    image.disk[data] ^= 1;
    assert!(matches!(image.fault(), LogFault::Checksum { block: 0, .. }));
    // mkfs computes none.
    image.put(sum, &[0; 4]);
    assert!(image.is_clean());
    image.put(super::image::LOG + 304, b"another");
    assert_eq!(image.fault(), LogFault::Uuid { block: 0 });
}

#[test]
fn a_superblock_that_is_newer_than_the_log_proves_it_old() {
    let mut image = Image::new();
    let next = image.record((3, 0), (3, 0), &unmount(&[]));
    image.older(next, 2);
    let end = 3 << 32 | 2;
    image.geometry.lsn = end;
    assert!(image.is_clean());
    image.geometry.lsn = end + 1;
    let ahead = LogFault::Ahead {
        superblock: end + 1,
        log: end,
    };
    assert_eq!(image.fault(), ahead);
    // The kernel refuses to mount after that, too.
    let mut zeroed = Image::new();
    zeroed.geometry.lsn = 1 << 32 | 1;
    assert!(matches!(zeroed.fault(), LogFault::Ahead { .. }));
}

#[test]
fn records_go_round_the_end_of_the_log() {
    // Header in the last block but one, its operations in the last and the first.
    for start in [125, 126, 127] {
        let mut image = Image::new();
        image.older(0, 4);
        let ops = [change(1, 0xee), change(2, 0xee), change(3, 0xdd)].concat();
        let next = image.record((4, start), (4, start), &ops);
        assert!(next > 128 || start == 125);
        assert_eq!(image.replay().transactions, 3, "{start}");
        let after = image.after();
        assert_eq!(after[CHANGED..CHANGED + 128], [0xdd; 128]);
        // The next one begins in the next cycle.
        let next = next % 128;
        image.record((5, next), (4, start), &change(4, 0xcc));
        assert_eq!(image.replay().transactions, 4);
        assert_eq!(image.after()[CHANGED..CHANGED + 128], [0xcc; 128]);
    }
}

#[test]
fn a_torn_last_write_does_not_count() {
    let mut image = Image::new();
    let next = image.record((1, 0), (1, 0), &change(1, 0xee));
    let end = image.record((1, next), (1, 0), &change(2, 0xdd));
    assert_eq!(image.after()[CHANGED..CHANGED + 128], [0xdd; 128]);
    // A block of it still has what was there before: zeros, of no cycle.
    let whole = image.disk.clone();
    let block = image.log_byte(end - 1);
    image.put(block, &[0; 512]);
    assert_eq!(image.replay().transactions, 1);
    // All of its blocks were written, but not its bytes.
    image.disk.clone_from(&whole);
    image.disk[block + 9] ^= 1;
    assert_eq!(image.replay().transactions, 1);
    assert_eq!(image.after()[CHANGED..CHANGED + 128], [0xee; 128]);
    // Its header was not written.
    image.disk.clone_from(&whole);
    let header = image.log_byte(next);
    image.put(header, &[0; 512]);
    assert_eq!(image.replay().transactions, 1);
    // The only record: nothing is left that says anything.
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &change(1, 0xee));
    let data = image.log_byte(1);
    image.disk[data + 9] ^= 1;
    assert!(matches!(image.fault(), LogFault::NoRecord { .. }));
}

#[test]
fn what_follows_a_torn_unmount_is_judged_by_it() {
    let mut image = Image::new();
    let next = image.record((1, 0), (1, 0), &unmount(&[]));
    let end = image.record((1, next), (1, next), &change(1, 0xee));
    assert_eq!(image.replay().transactions, 1);
    let torn = image.log_byte(end - 1) + 40;
    image.disk[torn] ^= 1;
    assert!(image.is_clean());
}

#[test]
fn damage_farther_back_than_records_in_flight_is_no_torn_write() {
    let mut image = Image::new();
    let mut next = 0;
    for id in 0..12 {
        next = image.record((1, next), (1, 0), &change(id, 0xee));
    }
    assert_eq!(image.replay().transactions, 12);
    let damaged = image.log_byte(1) + 40;
    image.disk[damaged] ^= 1;
    assert!(matches!(image.fault(), LogFault::Checksum { block: 0, .. }));
    image.disk[damaged] ^= 1;
    let header = image.log_byte(2);
    let length = image.disk[header + 15];
    image.disk[header + 15] = length ^ 1;
    assert!(matches!(image.fault(), LogFault::Checksum { block: 2, .. }));
}

#[test]
fn the_tail_has_to_be_a_record_of_its_cycle() {
    let mut image = Image::new();
    let next = image.record((2, 0), (2, 0), &change(1, 0xee));
    let end = image.record((2, next), (1, 0), &change(2, 0xdd));
    image.older(end, 1);
    let head = u32::try_from(end).unwrap();
    assert_eq!(image.fault(), LogFault::Broken { tail: 0, head });
    image.record((2, next), (2, end), &change(2, 0xdd));
    let tail = head;
    assert_eq!(image.fault(), LogFault::Broken { tail, head });
}

#[test]
fn cycles_that_fit_no_log_are_not_believed() {
    let mut image = Image::new();
    let next = image.record((5, 0), (5, 0), &change(1, 0xee));
    image.older(next, 3);
    let cycles = LogFault::Cycles { first: 5, last: 3 };
    assert_eq!(image.fault(), cycles);
    image.older(next, 4);
    assert_eq!(image.replay().transactions, 1);
    image.older(next, 5);
    assert!(matches!(image.fault(), LogFault::NoRecord { .. }));
}

#[test]
fn a_record_has_a_header_block_for_each_32_kib() {
    let mut image = Image::with_log(1024);
    let many: Vec<_> = (0..700u32).flat_map(|id| change(id, 0xaa)).collect();
    let ops = [many, change(9000, 0xbb)].concat();
    let next = image.sized_record((1, 0), (1, 0), &ops, 256 << 10);
    assert_eq!(next, 8 + (ops.concat().len()).div_ceil(512));
    assert!(next > 8 + 2 * 64);
    assert_eq!(image.replay().transactions, 701);
    assert_eq!(image.after()[CHANGED..CHANGED + 128], [0xbb; 128]);
    // Each of them counts in the checksum.
    let third = image.log_byte(2) + 8;
    image.disk[third] ^= 1;
    assert!(matches!(image.fault(), LogFault::NoRecord { .. }));
}

#[test]
fn fields_of_a_record_that_is_replayed_are_checked() {
    let fault = |at: usize, value: &[u8]| {
        let mut image = Image::new();
        let next = image.record((1, 0), (1, 0), &change(1, 0xee));
        image.record((1, next), (1, 0), &change(2, 0xdd));
        image.geometry.filesystem.has_crc = false;
        let sums = [image.log_byte(0) + 32, image.log_byte(next) + 32];
        for sum in sums {
            image.put(sum, &[0; 4]);
        }
        let at = image.log_byte(0) + at;
        image.put(at, value);
        image.fault()
    };
    let record = |field, found| LogFault::Record {
        block: 0,
        field,
        found,
    };
    assert_eq!(fault(300, &[0, 0, 0, 2]), record("h_fmt", 2));
    assert_eq!(fault(308, &[1]), LogFault::Uuid { block: 0 });
    assert_eq!(fault(8, &[0, 0, 0, 4]), LogFault::NoRecord { head: 4 });
}
