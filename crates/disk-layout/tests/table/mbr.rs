//! Master boot records and logical partitions by hand.

use disk_layout::table::{
    Damage, DiskId, Effect, Kind, LINKS_MAX, LinkFault, NoTable, Options, PartitionType, read,
};

use crate::disk::{Disk, MIB, check, owned, places};

/// A disk of 2 MiB, which is 4096 sectors.
fn disk() -> Disk {
    Disk::new(2 * MIB)
}

#[track_caller]
fn none(disk: &Disk, reason: NoTable) {
    let table = disk.table();
    assert_eq!(table.kind, Kind::None(reason));
    assert_eq!((&table.damage[..], places(&table)), (&[][..], vec![]));
    assert!(
        table
            .gaps()
            .eq((!disk.0.is_empty()).then_some(0..disk.0.len() as u64))
    );
}

#[test]
fn entries_become_partitions_and_the_rest_gaps() {
    let mut disk = disk();
    disk.put(440, &[0x04, 0x03, 0x02, 0x01]);
    disk.slot(0, 1, 0x83, 64, 1000).put(446, &[0x80]);
    disk.slot(0, 3, 0x07, 2000, 96);
    let table = disk.table();
    assert_eq!(table.kind, Kind::Mbr);
    assert_eq!(table.id, DiskId::Mbr(0x0102_0304));
    owned(
        &table,
        &[
            (1, "Structure"),
            (64, "Gap"),
            (1064, "1"),
            (2000, "Gap"),
            (2096, "3"),
            (4096, "Gap"),
        ],
    );
    let gaps: Vec<_> = table.gaps().collect();
    assert_eq!(
        gaps,
        [512..32_768, 1064 * 512..2000 * 512, 2096 * 512..2 * MIB]
    );
    let [first, second] = &table.partitions[..] else {
        panic!("{table:?}")
    };
    assert_eq!(first.id.to_string(), "01020304-01");
    assert_eq!(second.id.to_string(), "01020304-03");
    assert_eq!(second.kind, PartitionType::Mbr(7));
    assert!(first.is_bootable && !second.is_bootable);
    assert!(table.damage.is_empty());
}

#[test]
fn what_is_no_table_has_a_reason() {
    none(&Disk(vec![]), NoTable::TooShort);
    none(&Disk(vec![0x55; 511]), NoTable::TooShort);
    none(&disk(), NoTable::Signature);
    none(disk().sign(0), NoTable::Empty);
    // An entry with a type and no length is empty.
    none(disk().slot(0, 1, 0x83, 64, 0), NoTable::Empty);
    let mut code = disk();
    code.put(
        446,
        b"Invalid partition table\0Error loading operating system",
    )
    .sign(0);
    none(&code, NoTable::BootCode);
}

#[test]
fn a_partition_that_holds_its_own_table_is_none() {
    none(disk().slot(0, 1, 0x0c, 0, 4096), NoTable::OwnPartition);
    // Beside another one it overlaps the table, as in a hybrid ISO.
    let mut disk = disk();
    disk.slot(0, 1, 0x17, 0, 4096).slot(0, 2, 0xef, 100, 50);
    let table = disk.table();
    owned(&table, &[(1, "Structure"), (4096, "Doubtful")]);
    let want = [
        Damage::Overlap { number: 1 },
        Damage::OverlapsTable { number: 1 },
        Damage::Overlap { number: 2 },
    ];
    assert_eq!(table.damage, want);
}

#[test]
fn an_odd_entry_makes_no_boot_code_of_a_table() {
    // A leftover of type 0 beside a partition.
    let mut one = disk();
    one.slot(0, 1, 0x83, 64, 1000).slot(0, 2, 0, 1064, 100);
    let table = one.table();
    let range = 1064 * 512..1164 * 512;
    assert_eq!(table.damage, [Damage::Leftover { range }]);
    owned(
        &table,
        &[
            (1, "Structure"),
            (64, "Gap"),
            (1064, "1"),
            (1164, "Doubtful"),
            (4096, "Gap"),
        ],
    );
    // Over it: the partition stays.
    one.slot(0, 2, 0, 64, 900);
    owned(
        &one.table(),
        &[(1, "Structure"), (64, "Gap"), (1064, "1"), (4096, "Gap")],
    );
    // Alone: Linux lists it, others do not.
    let table = disk().slot(0, 2, 0, 64, 900).table();
    assert!(table.damage.contains(&Damage::OnlyLeftovers));
    owned(&table, &[(4096, "Doubtful")]);
    // The disk of a cut image.
    let mut cut = disk();
    cut.slot(0, 1, 0x83, 64, 1000)
        .slot(0, 2, 0x83, 1064, 1 << 20);
    cut.slot(0, 3, 0x83, 1 << 21, 5);
    let table = cut.table();
    owned(
        &table,
        &[
            (1, "Structure"),
            (64, "Gap"),
            (1064, "1"),
            (4096, "Doubtful"),
        ],
    );
    assert_eq!(places(&table).len(), 2);
    assert!(matches!(
        table.damage[..],
        [
            Damage::PastEnd { number: 2, .. },
            Damage::PastEnd { number: 3, .. }
        ]
    ));
    // A status that Linux refuses.
    let mut odd = disk();
    odd.slot(0, 1, 0x83, 64, 1000).put(446 + 48, &[0x7f]);
    let table = odd.table();
    let (slot, status) = (4, 0x7f);
    assert_eq!(
        (table.kind, &table.damage[..]),
        (Kind::Mbr, &[Damage::Status { slot, status }][..])
    );
    owned(&table, &[(4096, "Doubtful")]);
}

#[test]
fn partitions_that_overlap_are_doubtful_as_a_whole() {
    let mut disk = disk();
    disk.slot(0, 1, 0x83, 64, 1000).slot(0, 2, 0x83, 100, 10);
    disk.slot(0, 3, 0x83, 1063, 100).slot(0, 4, 0x83, 1163, 10);
    let table = disk.table();
    let want = [1, 2, 3].map(|number| Damage::Overlap { number });
    assert_eq!(table.damage, want);
    owned(
        &table,
        &[
            (1, "Structure"),
            (64, "Gap"),
            (1163, "Doubtful"),
            (1173, "4"),
            (4096, "Gap"),
        ],
    );
}

#[test]
fn an_mbr_counts_in_the_sectors_that_it_is_told() {
    let disk = disk().slot(0, 1, 0x83, 8, 100).clone();
    let mut options = Options::default();
    for sector in [Some(4096), None, Some(0)] {
        options.sector_bytes = sector;
        let table = read(&disk.0, &options).unwrap();
        check(&table, 2 * MIB);
        let unit = u64::from(sector.filter(|unit| *unit > 0).unwrap_or(512));
        assert_eq!(places(&table), [(1, 8 * unit..108 * unit)]);
        assert_eq!(table.structures, [0..unit]);
    }
}

/// An extended partition from sector 1000 to 3000 beside a primary one.
fn extended() -> Disk {
    let mut disk = disk();
    disk.slot(0, 1, 0x83, 64, 900).slot(0, 2, 0x0f, 1000, 2000);
    disk
}

fn sector(number: usize) -> usize {
    number * 512
}

#[test]
fn logical_partitions_count_from_their_own_records() {
    let mut disk = extended();
    disk.slot(sector(1000), 1, 0x83, 63, 100)
        .slot(sector(1000), 2, 0x05, 500, 300);
    // Back, as fdisk makes it where partitions were deleted.
    disk.slot(sector(1500), 1, 0x82, 1, 299)
        .slot(sector(1500), 2, 0x85, 200, 200);
    disk.slot(sector(1200), 1, 0x83, 2, 8);
    let table = disk.table();
    assert_eq!(table.damage, []);
    owned(
        &table,
        &[
            (1, "Structure"),
            (64, "Gap"),
            (964, "1"),
            (1000, "Gap"),
            (1001, "Structure"),
            (1063, "Gap"),
            (1163, "5"),
            (1200, "Gap"),
            (1201, "Structure"),
            (1202, "Gap"),
            (1210, "7"),
            (1500, "Gap"),
            (1501, "Structure"),
            (1800, "6"),
            (4096, "Gap"),
        ],
    );
    let numbers: Vec<_> = table.partitions.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2, 5, 6, 7]);
    let [_, extended, logical, ..] = &table.partitions[..] else {
        panic!()
    };
    assert!(extended.is_extended && !extended.is_logical);
    assert!(logical.is_logical && !logical.is_extended);
    assert_eq!(logical.id.to_string(), "00000000-05");
}

#[test]
fn odd_records_that_programs_make_are_normal() {
    // parted: a first slot that is empty takes no number.
    let mut disk = extended();
    disk.slot(sector(1000), 2, 0x05, 500, 300);
    disk.slot(sector(1500), 1, 0x83, 10, 20);
    let table = disk.table();
    assert_eq!(table.damage, []);
    assert_eq!(places(&table)[2..], [(5, 1510 * 512..1530 * 512)]);
    // sfdisk: a first slot past the next record.
    let mut disk = extended();
    disk.slot(sector(1000), 1, 0x83, 1000, 50)
        .slot(sector(1000), 2, 0x05, 500, 300);
    disk.slot(sector(1500), 1, 0x83, 10, 20);
    let table = disk.table();
    assert_eq!(table.damage, []);
    let want = [(5, 2000 * 512..2050 * 512), (6, 1510 * 512..1530 * 512)];
    assert_eq!(places(&table)[2..], want);
    // Two extended partitions, counted through.
    let mut disk = extended();
    disk.slot(0, 3, 0x05, 3000, 500);
    disk.slot(sector(1000), 1, 0x83, 1, 5)
        .slot(sector(3000), 1, 0x83, 1, 5);
    let table = disk.table();
    assert_eq!(table.damage, []);
    assert_eq!(places(&table)[4].0, 6);
}

/// The fault of the only chain, after which the extended partition is doubtful.
#[track_caller]
fn broken(disk: &Disk, at: u64, fault: LinkFault) {
    let table = disk.table();
    let at = at * 512;
    assert_eq!(table.damage, [Damage::Link { at, fault }]);
    assert_eq!(table.damage[0].effect(), Effect::Bytes);
    let mut gaps = table.gaps();
    assert!(gaps.all(|gap| gap.end <= 1000 * 512 || gap.start >= 3000 * 512));
}

#[test]
fn broken_chains_leave_the_extended_partition_doubtful() {
    broken(&extended(), 1000, LinkFault::Signature);
    let mut disk = extended();
    disk.slot(sector(1000), 1, 0x83, 1, 5)
        .slot(sector(1000), 2, 0x05, 100, 5);
    broken(&disk, 1100, LinkFault::Signature);
    owned(
        &disk.table(),
        &[
            (1, "Structure"),
            (64, "Gap"),
            (964, "1"),
            (1000, "Gap"),
            (1001, "Structure"),
            (1006, "5"),
            (3000, "Doubtful"),
            (4096, "Gap"),
        ],
    );
    disk.slot(sector(1000), 2, 0x05, 2000, 5);
    broken(&disk, 3000, LinkFault::Outside);
    disk.slot(sector(1000), 2, 0x05, 0, 5);
    broken(&disk, 1000, LinkFault::Loop);
    // Nothing of a loop is believed.
    owned(
        &disk.table(),
        &[
            (1, "Structure"),
            (64, "Gap"),
            (964, "1"),
            (1000, "Gap"),
            (1001, "Structure"),
            (3000, "Doubtful"),
            (4096, "Gap"),
        ],
    );
    let mut disk = extended();
    for link in 0..=LINKS_MAX {
        disk.slot(sector(1000 + link), 2, 0x05, link as u32 + 1, 1);
    }
    broken(&disk, 1000 + LINKS_MAX as u64, LinkFault::TooMany);
}

#[test]
fn odd_logical_partitions_are_doubtful() {
    let mut disk = extended();
    // Out of the extended partition, on its own record, and in the third slot.
    disk.slot(sector(1000), 1, 0x83, 1990, 20)
        .slot(sector(1000), 2, 0x05, 100, 500);
    disk.slot(sector(1100), 1, 0x83, 0, 5)
        .slot(sector(1100), 3, 0x83, 20, 5);
    disk.slot(sector(1100), 4, 0x05, 400, 5);
    disk.slot(sector(1400), 1, 0x83, 2, 2)
        .slot(sector(1400), 2, 0x05, 410, 5);
    let at = 1100 * 512;
    let table = disk.table();
    let want = [
        Damage::OutsideExtended { number: 5 },
        Damage::OddSlot { at, slot: 3 },
        Damage::Link {
            at: 1410 * 512,
            fault: LinkFault::Signature,
        },
        Damage::OverlapsTable { number: 6 },
    ];
    assert_eq!(table.damage, want);
    // A second link.
    let mut disk = extended();
    disk.slot(sector(1000), 2, 0x05, 100, 5)
        .slot(sector(1000), 3, 0x05, 200, 5);
    disk.slot(sector(1100), 1, 0x83, 1, 2);
    assert_eq!(disk.table().damage, [Damage::Links { at: 1000 * 512 }]);
    // A primary partition over a part of the extended one.
    let mut disk = extended();
    disk.slot(sector(1000), 1, 0x83, 1, 2)
        .slot(0, 3, 0x83, 2000, 100);
    let table = disk.table();
    assert_eq!(
        table.damage,
        [Damage::Overlap { number: 2 }, Damage::Overlap { number: 3 }]
    );
    assert!(places(&table).contains(&(5, 1001 * 512..1003 * 512)));
}
