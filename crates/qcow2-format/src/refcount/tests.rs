use proptest::prelude::*;

use super::*;

fn width(bits: u32) -> RefcountOrder {
    RefcountOrder::from_bits(bits).unwrap()
}

#[test]
fn widths() {
    let numbers = |bits| {
        let order = width(bits);
        (
            order.order(),
            order.max(),
            order.entries_per_block(ClusterBits::DEFAULT),
        )
    };
    assert_eq!(numbers(1), (0, 1, 524_288));
    assert_eq!(numbers(2), (1, 3, 262_144));
    assert_eq!(numbers(4), (2, 15, 131_072));
    assert_eq!(numbers(8), (3, 255, 65_536));
    assert_eq!(numbers(16), (4, 65_535, 32_768));
    assert_eq!(numbers(32), (5, u32::MAX.into(), 16_384));
    assert_eq!(numbers(64), (6, u64::MAX, 8192));
    assert_eq!(
        RefcountOrder::new(7),
        Err(Error::RefcountOrder { found: 7 })
    );
    for found in [0, 3, 12, 128, u32::MAX] {
        assert_eq!(
            RefcountOrder::from_bits(found),
            Err(Error::RefcountWidth { found })
        );
    }
}

#[test]
fn refcounts_by_hand() {
    let block = [0b1011_0001, 0xc4, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];
    // Below 8 bits, the first refcount is in the least significant bits.
    let ones: Vec<_> = (0..9).map(|index| width(1).get(&block, index)).collect();
    assert_eq!(ones, [1, 0, 0, 0, 1, 1, 0, 1, 0].map(Some));
    let twos: Vec<_> = (0..5).map(|index| width(2).get(&block, index)).collect();
    assert_eq!(twos, [1, 0, 3, 2, 0].map(Some));
    let fours: Vec<_> = (0..4).map(|index| width(4).get(&block, index)).collect();
    assert_eq!(fours, [1, 0xb, 4, 0xc].map(Some));
    assert_eq!(width(8).get(&block, 1), Some(0xc4));
    assert_eq!(width(16).get(&block, 1), Some(0x1234));
    assert_eq!(width(32).get(&block, 1), Some(0x5678_9abc));
    assert_eq!(width(64).get(&block, 0), Some(0xb1c4_1234_5678_9abc));
}

#[test]
fn a_refcount_lies_within_its_block_and_its_width() {
    for order in 0..=6 {
        let order = RefcountOrder::new(order).unwrap();
        let entries = 128 >> order.order();
        let mut block = [0xa5; 16];
        for index in [entries, entries + 1, u64::MAX] {
            assert_eq!(order.get(&block, index), None);
            let error = Error::Refcount(RefcountError::Index {
                end: index.saturating_add(1),
                entries,
            });
            assert_eq!(order.set(&mut block, index, 1), Err(error));
        }
        if let Some(found) = order.max().checked_add(1) {
            let error = Error::Refcount(RefcountError::TooLarge {
                found,
                max: order.max(),
            });
            assert_eq!(order.set(&mut block, 0, found), Err(error));
        }
        assert_eq!(block, [0xa5; 16], "nothing is changed");
    }
}

#[test]
fn table_entries() {
    let decode = |raw| RefcountTableEntry::decode(raw, ClusterBits::DEFAULT, 9);
    let block = |at| RefcountTableEntry(Some(HostOffset(at)));
    assert_eq!(decode(0), Ok(RefcountTableEntry(None)));
    assert_eq!(decode(0x1ff), Ok(RefcountTableEntry(None)));
    assert_eq!(decode(0x2_0000), Ok(block(0x2_0000)));
    assert_eq!(
        decode(0xffff_ffff_ffff_01ff),
        Ok(block(0xffff_ffff_ffff_0000))
    );
    assert_eq!(block(0xffff_ffff_ffff_0000).encode(), 0xffff_ffff_ffff_0000);
    assert_eq!(RefcountTableEntry(None).encode(), 0);
    assert_eq!(RefcountTableEntry::reserved_bits(0x2_01ff), 0x1ff);
    assert_eq!(
        decode(0x2_0200),
        Err(Error::UnalignedEntry {
            table: "refcount table",
            index: 9,
            found: 0x2_0200,
            alignment: 0x1_0000
        })
    );
}

/// The refcounts of a block, put together bit by bit.
fn naive(order: RefcountOrder, block: &[u8]) -> Vec<u64> {
    let bits: Vec<u64> = block
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| u64::from(byte >> bit & 1)))
        .collect();
    let width = usize::try_from(order.bits()).unwrap();
    bits.chunks_exact(width)
        .map(|refcount| {
            // Bytes are in big-endian order, the bits of each the other way round.
            let bytes = refcount.chunks(8);
            bytes.fold(0, |sum, byte| {
                byte.iter().rev().fold(sum, |sum, bit| sum << 1 | bit)
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn get_is_what_the_bits_say(order in 0u32..=6, block: [u8; 16]) {
        let order = RefcountOrder::new(order).unwrap();
        let all: Vec<_> = (0..).map_while(|index| order.get(&block, index)).collect();
        prop_assert_eq!(all, naive(order, &block));
    }

    #[test]
    fn fill_changes_its_range_only(
        order in 0u32..=6,
        mut block: [u8; 32],
        (start, end) in (0u64..=256, 0u64..=256),
        value: u64,
    ) {
        let order = RefcountOrder::new(order).unwrap();
        let value = value & order.max();
        let mut want = naive(order, &block);
        let end = end.min(256 >> order.order());
        for (index, refcount) in (0..).zip(&mut want) {
            if (start..end).contains(&index) {
                *refcount = value;
            }
        }
        prop_assert_eq!(order.fill(&mut block, start..end, value), Ok(()));
        prop_assert_eq!(naive(order, &block), want);
    }

    #[test]
    fn set_is_a_fill_of_one(order in 0u32..=6, mut block: [u8; 16], index in 0u64..128, value: u64) {
        let order = RefcountOrder::new(order).unwrap();
        let mut filled = block;
        let range = index..index.saturating_add(1);
        let outcome = order.set(&mut block, index, value);
        prop_assert_eq!(&outcome, &order.fill(&mut filled, range, value));
        prop_assert_eq!(block, filled);
        if outcome.is_ok() {
            prop_assert_eq!(order.get(&block, index), Some(value));
        }
    }
}
