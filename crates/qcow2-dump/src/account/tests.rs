use super::*;
use blockio::testing::Sparse;
use std::ops::ControlFlow;

/// An image of version 2 with clusters of 512 bytes, byte by byte: header, refcount table and
/// block, L1 table of one entry, L2 table, data, a leaked cluster, a free one, and half of a
/// cluster of data.
fn image() -> Vec<u8> {
    let mut image = vec![0; 8 * 512 + 256];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x02");
    put(20, &[0, 0, 0, 9]);
    put(24, &4096u64.to_be_bytes());
    put(36, &[0, 0, 0, 1]);
    put(40, &0x600u64.to_be_bytes());
    put(48, &0x200u64.to_be_bytes());
    put(56, &[0, 0, 0, 1]);
    put(0x200, &0x400u64.to_be_bytes());
    for cluster in [0, 1, 2, 3, 4, 5, 6, 8] {
        put(0x400 + cluster * 2, &[0, 1]);
    }
    put(0x600, &0x8000_0000_0000_0800u64.to_be_bytes());
    put(0x800, &0x8000_0000_0000_0a00u64.to_be_bytes());
    put(0x808, &0x8000_0000_0000_1000u64.to_be_bytes());
    image
}

fn ranges(image: &[u8]) -> (Account, Vec<(Range<u64>, Kind)>) {
    let mut ranges = Vec::new();
    let account = account(&image.to_vec(), &mut |range, kind| {
        ranges.push((range, kind));
        ControlFlow::Continue(())
    });
    (account.unwrap(), ranges)
}

#[test]
fn every_byte_has_its_structure() {
    let image = image();
    let (account, found) = ranges(&image);
    let want = [
        (0..72, Kind::Header),
        (72..80, Kind::Extensions),
        (80..0x200, Kind::Slack),
        (0x200..0x400, Kind::RefcountTable),
        (0x400..0x600, Kind::RefcountBlock),
        (0x600..0x608, Kind::L1Table),
        (0x608..0x800, Kind::Slack),
        (0x800..0xa00, Kind::L2Table),
        (0xa00..0xc00, Kind::Data),
        (0xc00..0xe00, Kind::Leaked),
        (0xe00..0x1000, Kind::Free),
        (0x1000..0x1100, Kind::Data),
    ];
    assert_eq!(found, want);
    assert_eq!((account.file_bytes, account.cluster_bytes), (0x1100, 512));
    assert_eq!((account.wrong_entries, account.is_incomplete), (0, false));
    let total = |kind| {
        account
            .structures
            .iter()
            .find(|total| total.kind == kind)
            .copied()
    };
    let data = total(Kind::Data).unwrap();
    assert_eq!((data.count, data.bytes, data.ranges), (2, 0x300, 2));
    assert_eq!(total(Kind::Header).unwrap().count, 1);
    assert_eq!(total(Kind::L2Table).unwrap().count, 1);
    let sum: u64 = account.structures.iter().map(|total| total.bytes).sum();
    assert_eq!(sum, account.file_bytes);
}

#[test]
fn a_file_may_end_within_a_structure() {
    let whole = image();
    for length in [0x604, 0x608, 0x609, 0x810, 0xa01, 0x1001, 0x1100] {
        let (account, found) = ranges(&whole[..length]);
        let bytes = blockio::len_u64(length);
        assert_eq!(found.last().map(|(range, _)| range.end), Some(bytes));
        let sum: u64 = account.structures.iter().map(|total| total.bytes).sum();
        assert_eq!(sum, bytes, "{length:#x}");
    }
}

/// An image with clusters of 64 KiB, in a file that is a hole for the most part; its last
/// cluster is what the second L2 entry names.
fn long(second: u64) -> Sparse {
    const FAR: u64 = 66 << 30;
    let mut header = vec![0; 72];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x02");
    put(20, &[0, 0, 0, 16]);
    put(24, &131_072u64.to_be_bytes());
    put(36, &[0, 0, 0, 1]);
    put(40, &0x3_0000u64.to_be_bytes());
    put(48, &0x1_0000u64.to_be_bytes());
    put(56, &[0, 0, 0, 1]);
    Sparse::new(FAR + 0x1_0000)
        .with(0, header)
        .with(0x1_0000, 0x2_0000u64.to_be_bytes())
        .with(0x3_0000, 0x4_0000u64.to_be_bytes())
        .with(0x4_0000, 0x5_0000u64.to_be_bytes())
        .with(0x4_0008, (FAR | second).to_be_bytes())
}

#[test]
fn a_long_file_is_looked_at_where_something_is() {
    let far = 66 << 30;
    let stream = 1 << 62;
    for (second, last) in [
        (0, [(far..far + 0x1_0000, Kind::Data)].as_slice()),
        (
            stream,
            &[
                (far..far + 512, Kind::Compressed),
                (far + 512..far + 0x1_0000, Kind::Slack),
            ],
        ),
    ] {
        let mut found = Vec::new();
        account(&long(second), &mut |range, kind| {
            found.push((range, kind));
            ControlFlow::Continue(())
        })
        .unwrap();
        let front = [
            (0..72, Kind::Header),
            (72..80, Kind::Extensions),
            (80..0x1_0000, Kind::Slack),
            (0x1_0000..0x2_0000, Kind::RefcountTable),
            (0x2_0000..0x3_0000, Kind::RefcountBlock),
            (0x3_0000..0x3_0008, Kind::L1Table),
            (0x3_0008..0x4_0000, Kind::Slack),
            (0x4_0000..0x5_0000, Kind::L2Table),
            (0x5_0000..0x6_0000, Kind::Data),
            (0x6_0000..far, Kind::Free),
        ];
        assert_eq!(found, [&front, last].concat(), "{second:#x}");
    }
}

#[test]
fn what_cannot_be_there_is_counted_and_passed_over() {
    let mut damaged = image();
    // Data past the end of the file, and a table that is not aligned.
    damaged[0x808..0x810].copy_from_slice(&0x8000_0000_00ff_0000u64.to_be_bytes());
    damaged[0x208..0x210].copy_from_slice(&0x201u64.to_be_bytes());
    let (account, found) = ranges(&damaged);
    assert_eq!(account.wrong_entries, 1);
    assert_eq!(found.last(), Some(&(0x1000..0x1100, Kind::Leaked)));
    // No refcounts at all, and no tables.
    let mut damaged = image();
    damaged[48..56].copy_from_slice(&0x4000u64.to_be_bytes());
    damaged[40..48].copy_from_slice(&0x4000u64.to_be_bytes());
    let (account, found) = ranges(&damaged);
    let sum: u64 = account.structures.iter().map(|total| total.bytes).sum();
    assert_eq!(sum, account.file_bytes);
    assert_eq!(found.last(), Some(&(0x200..0x1100, Kind::Free)));
}

#[test]
fn any_bytes_add_up_or_are_refused() {
    let whole = image();
    for at in 0..whole.len().min(0x820) {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            let mut end = 0;
            let told = account(&damaged, &mut |range: Range<u64>, _| {
                assert_eq!(range.start, end, "{at:#x}");
                assert!(range.end > end, "{at:#x}");
                end = range.end;
                ControlFlow::Continue(())
            });
            if let Ok(told) = told {
                let sum: u64 = told.structures.iter().map(|total| total.bytes).sum();
                assert_eq!((sum, end), (told.file_bytes, told.file_bytes), "{at:#x}");
            }
        }
    }
    for length in 0..whole.len() {
        if let Ok(told) = account(
            &whole[..length].to_vec(),
            &mut |_, _| ControlFlow::Break(()),
        ) {
            let sum: u64 = told.structures.iter().map(|total| total.bytes).sum();
            assert_eq!(sum, told.file_bytes, "{length}");
        }
    }
}
