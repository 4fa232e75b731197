//! Fields of GPT headers and entries by hand.

use disk_layout::table::{ArrayFault, Damage, ErrorKind, GptPlace, HeaderFault};

use GptPlace::Primary;

use crate::disk::{Disk, MIB, owned};
use crate::gpt::{disk, kept, shape};

#[test]
fn partitions_in_odd_places_are_doubtful() {
    let parts = [
        (1, 20, 40),
        (2, 100, 99),
        (3, 200, 300),
        (4, 250, 251),
        (5, 4060, 4080),
    ];
    let mut one = Disk::new(2 * MIB);
    one.gpt(&shape(), &parts);
    let table = one.table();
    let want = [
        Damage::Unusable { number: 1 },
        Damage::Backwards {
            number: 2,
            first: 100,
            last: 99,
        },
        Damage::Unusable { number: 5 },
        Damage::OverlapsTable { number: 1 },
        Damage::Overlap { number: 3 },
        Damage::Overlap { number: 4 },
        Damage::OverlapsTable { number: 5 },
    ];
    assert_eq!(table.damage, want);
    owned(
        &table,
        &[
            (34, "Structure"),
            (41, "Doubtful"),
            (200, "Gap"),
            (301, "Doubtful"),
            (4060, "Gap"),
            (4063, "Doubtful"),
            (4096, "Structure"),
        ],
    );
}

/// The fault of the primary header after `change`, with or without a right checksum.
#[track_caller]
fn fault(change: impl Fn(&mut Disk), seal: bool, want: HeaderFault, kind: ErrorKind) {
    let mut one = disk();
    change(&mut one);
    if seal {
        one.seal(512);
    }
    let table = one.table();
    let at = 512;
    kept(
        &table,
        &[Damage::Header {
            place: Primary,
            at,
            fault: want,
            is_covered: false,
        }],
    );
    assert_eq!(table.damage[0].kind(), kind);
}

#[test]
fn each_field_of_a_header_is_checked() {
    use ErrorKind::{Corrupt, Unsupported};
    let put = |at: usize, bytes: &'static [u8]| {
        move |disk: &mut Disk| {
            disk.put(512 + at, bytes);
        }
    };
    fault(
        put(8, &[1]),
        true,
        HeaderFault::Revision { found: 0x0001_0001 },
        Unsupported,
    );
    let length = |found| HeaderFault::Length {
        found,
        sector_bytes: 512,
    };
    fault(put(12, &[91]), true, length(91), Corrupt);
    fault(put(12, &[1, 2]), true, length(513), Corrupt);
    fault(
        put(24, &[2]),
        true,
        HeaderFault::OwnLba { found: 2, lba: 1 },
        Corrupt,
    );
    let usable = HeaderFault::Usable {
        first: 34,
        last: 32,
    };
    fault(put(48, &[32, 0]), true, usable, Corrupt);
    for found in [0u32, 64, 129, 384, 8192, u32::MAX] {
        let entry = HeaderFault::EntryLength { found };
        let change = |disk: &mut Disk| {
            disk.put(596, &found.to_le_bytes());
        };
        fault(change, true, entry, Unsupported);
    }
    let mut one = disk();
    let stored = u32::from_le_bytes(one.0[528..532].try_into().unwrap());
    one.put(512 + 60, &[1]).seal(512);
    let computed = u32::from_le_bytes(one.0[528..532].try_into().unwrap());
    let checksum = HeaderFault::Checksum { stored, computed };
    fault(put(60, &[1]), false, checksum, Corrupt);
}

#[test]
fn hostile_arrays_are_bounded() {
    for (entries, want) in [
        (
            u32::MAX,
            ArrayFault::TooLong {
                entries: u32::MAX,
                bytes: u64::from(u32::MAX) * 128,
            },
        ),
        (1 << 15, ArrayFault::PastEnd { bytes: 4 << 20 }),
    ] {
        let mut one = disk();
        one.put(592, &entries.to_le_bytes()).seal(512);
        let table = one.table();
        let Damage::Array {
            place: Primary,
            at: 1024,
            fault,
            is_covered: true,
        } = table.damage[0]
        else {
            panic!("{:?}", table.damage)
        };
        assert_eq!(fault, want);
    }
    let mut one = disk();
    one.u64(512 + 72, u64::MAX).seal(512);
    let damage = &one.table().damage[0];
    assert!(matches!(
        damage,
        Damage::Array {
            fault: ArrayFault::PastEnd { .. },
            ..
        }
    ));
}
