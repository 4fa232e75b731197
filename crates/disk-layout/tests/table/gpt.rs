//! GUID partition tables by hand.

use GptPlace::{Backup, Primary};
use disk_layout::table::{
    ArrayFault, Damage, DiskId, ErrorKind, GptPlace, Guid, HeaderFault, Kind, NoTable, Table,
};

use crate::disk::{Disk, MIB, Part, Shape, is_gpt, owned, places};

const PARTS: [Part; 2] = [(1, 64, 163), (3, 200, 299)];
/// Sectors of the disk.
const LAST: u64 = 4095;

pub(crate) fn shape() -> Shape {
    Shape::usual(2 << 20, 512)
}

pub(crate) fn disk() -> Disk {
    let mut disk = Disk::new(2 * MIB);
    disk.gpt(&shape(), &PARTS);
    disk
}

const SOUND: [(u64, &str); 7] = [
    (34, "Structure"),
    (64, "Gap"),
    (164, "1"),
    (200, "Gap"),
    (300, "3"),
    (4063, "Gap"),
    (4096, "Structure"),
];

/// Asserts that every byte is kept, because of `damage`; the partitions are known.
#[track_caller]
pub(crate) fn kept(table: &Table, damage: &[Damage]) {
    assert_eq!(table.damage, damage);
    assert!(table.is_ambiguous());
}

/// Asserts that the table counts all the same.
#[track_caller]
fn known(table: &Table, damage: &[Damage]) {
    assert_eq!(table.damage, damage);
    assert!(is_gpt(table) && !table.is_ambiguous());
    assert_eq!(
        places(table),
        [(1, 64 * 512..164 * 512), (3, 200 * 512..300 * 512)]
    );
}

#[test]
fn a_sound_table_says_who_owns_what() {
    let table = disk().table();
    known(&table, &[]);
    owned(&table, &SOUND);
    assert_eq!(table.id, DiskId::Gpt(Guid([0xdd; 16])));
    let [first, third] = &table.partitions[..] else {
        panic!()
    };
    // Nothing after the NUL is part of the name, and it counts for the checksum.
    assert_eq!((first.name.as_str(), first.attributes), ("p", 4));
    assert!(first.is_bootable);
    assert_eq!(third.id.to_string(), "03030303-0303-0303-0303-030303030303");
    assert_eq!(
        third.kind.to_string(),
        "11111111-1111-1111-1111-111111111111"
    );
}

#[test]
fn guids_are_stored_with_swapped_fields() {
    let esp = *b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
    assert_eq!(
        Guid(esp).to_string(),
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    );
    assert!(Guid::default().is_zero() && !Guid(esp).is_zero());
}

#[test]
fn arrays_lie_where_the_headers_say_with_entries_of_any_length() {
    let mut shape = shape();
    (shape.entries, shape.entry_bytes) = (8, 256);
    shape.arrays = [40, LAST - 10];
    let mut disk = Disk::new(2 * MIB);
    disk.gpt(&shape, &PARTS);
    let table = disk.table();
    known(&table, &[]);
    assert_eq!(
        table.structures,
        [
            0..2 * 512,
            40 * 512..44 * 512,
            4085 * 512..4089 * 512,
            LAST * 512..2 * MIB
        ]
    );
}

#[test]
fn a_table_for_4096_byte_sectors_is_found_on_any_file() {
    let mut disk = Disk::new(2 * MIB);
    disk.gpt(&Shape::usual(2 << 20, 4096), &[(1, 8, 15)]);
    let table = disk.table();
    assert_eq!((table.sector_bytes, &table.damage[..]), (4096, &[][..]));
    assert_eq!(places(&table), [(1, 8 * 4096..16 * 4096)]);
    assert_eq!(table.structures, [0..6 * 4096, 507 * 4096..512 * 4096]);
    // The reverse: one for 512 on a file that is no multiple of it.
    let mut bytes = disk_with_rest(512);
    bytes.0.extend([0; 100]);
    assert_eq!(bytes.table().sector_bytes, 512);
    known(&bytes.table(), &[]);
}

fn disk_with_rest(sector: usize) -> Disk {
    let mut disk = Disk::new(2 * MIB);
    disk.gpt(&Shape::usual(2 << 20, sector), &PARTS);
    disk
}

#[test]
fn headers_of_both_sector_sizes_are_ambiguous() {
    let mut disk = disk();
    let mut other = Disk::new(2 * MIB);
    other.gpt(&Shape::usual(2 << 20, 4096), &[]);
    disk.put(4096, &other.0[4096..8192]);
    assert!(disk.table().damage.contains(&Damage::SectorSizes));
    assert!(disk.table().is_ambiguous());
}

#[test]
fn one_wrong_end_is_made_up_for_by_the_other() {
    // The primary array: the backup counts.
    let mut one = disk();
    one.put(1024 + 40, &[0xff]);
    let table = one.table();
    let [
        Damage::Array {
            place: Primary,
            at: 1024,
            fault,
            is_covered: true,
        },
    ] = table.damage[..]
    else {
        panic!("{:?}", table.damage)
    };
    assert!(matches!(fault, ArrayFault::Checksum { .. }));
    known(&table, &table.damage);
    owned(&table, &SOUND);
    // The backup array, or its header.
    let mut one = disk();
    one.put(4063 * 512, &[0xff]);
    let table = one.table();
    assert!(matches!(
        table.damage[..],
        [Damage::Array {
            place: Backup,
            at: 0x1f_be00,
            is_covered: true,
            ..
        }]
    ));
    known(&table, &table.damage);
    let mut one = disk();
    one.put(LAST as usize * 512, &[0; 512]);
    let (at, fault) = (LAST * 512, HeaderFault::Signature);
    let table = one.table();
    known(
        &table,
        &[Damage::Header {
            place: Backup,
            at,
            fault,
            is_covered: true,
        }],
    );
}

#[test]
fn without_both_ends_everything_is_kept() {
    // Both arrays.
    let mut one = disk();
    one.put(1024, &[0xff]).put(4063 * 512, &[0xff]);
    let table = one.table();
    assert!(table.is_ambiguous() && places(&table).is_empty());
    assert_eq!(table.damage.len(), 2);
    // The primary array, and a backup of another age.
    let mut one = disk();
    one.put(1024, &[0xff])
        .put(LAST as usize * 512 + 56, &[0])
        .seal(LAST as usize * 512);
    assert!(one.table().is_ambiguous());
    // The primary header: partitions are shown.
    let mut one = disk();
    one.put(512, &[0; 512]);
    let (at, fault) = (512, HeaderFault::Signature);
    let table = one.table();
    kept(
        &table,
        &[Damage::Header {
            place: Primary,
            at,
            fault,
            is_covered: false,
        }],
    );
    assert_eq!(places(&table).len(), 2);
    // Both headers.
    one.put(LAST as usize * 512, &[0; 512]);
    kept(&one.table(), &[Damage::NoHeader]);
}

#[test]
fn ends_that_name_different_partitions_are_ambiguous() {
    let mut one = disk();
    let mut other = Disk::new(2 * MIB);
    other.gpt(&shape(), &[(1, 64, 162), (3, 200, 299)]);
    one.put(4063 * 512, &other.0[4063 * 512..]);
    kept(&one.table(), &[Damage::Differ]);
    // Other attributes are a detail.
    let mut one = disk();
    one.put(1024 + 48, &[1]);
    let crc = crate::disk::crc32(&one.0[1024..1024 + 128 * 128]);
    one.put(512 + 88, &crc.to_le_bytes()).seal(512);
    known(&one.table(), &[Damage::DifferInDetail]);
    assert_eq!(one.table().partitions[0].attributes, 1);
}

#[test]
fn on_a_grown_disk_the_primary_names_the_backup() {
    let mut grown = disk();
    grown.0.resize(3 << 20, 0);
    let at = LAST * 512;
    let table = grown.table();
    known(&table, &[Damage::BackupInside { at }]);
    assert_eq!(table.structures[1], 4063 * 512..4096 * 512);
    // With a backup of before at the end.
    let mut old = Disk::new(3 * MIB);
    old.gpt(&Shape::usual(3 << 20, 512), &[(7, 100, 5000)]);
    let end = (2 << 20)..(3 << 20);
    grown.put(2 << 20, &old.0[end]);
    let table = grown.table();
    let stale = Damage::StaleBackup { at: 6143 * 512 };
    assert!(table.damage.contains(&stale) && !table.is_ambiguous());
    assert_eq!(places(&table).len(), 2);
    // Without the primary, nobody finds the one inside.
    let mut grown = disk();
    grown.0.resize(3 << 20, 0);
    grown.put(512, &[0; 512]);
    kept(&grown.table(), &[Damage::NoHeader]);
}

#[test]
fn a_cut_disk_is_ambiguous() {
    let mut cut = disk();
    cut.0.truncate(250 * 512);
    let table = cut.table();
    assert!(table.is_ambiguous());
    let last_usable = 4062;
    let sectors = 250;
    assert!(table.damage.contains(&Damage::Cut {
        last_usable,
        sectors
    }));
    let stored = 200 * 512..300 * 512;
    let size = 250 * 512;
    assert!(table.damage.contains(&Damage::PastEnd {
        number: 3,
        stored,
        size
    }));
    assert_eq!(places(&table)[1], (3, 200 * 512..250 * 512));
    // Without the backup alone, it is not.
    let mut cut = disk();
    cut.0.truncate(4063 * 512);
    let (at, fault) = (LAST * 512, HeaderFault::PastEnd);
    known(
        &cut.table(),
        &[Damage::Header {
            place: Backup,
            at,
            fault,
            is_covered: true,
        }],
    );
}

#[test]
fn a_table_that_the_first_sector_does_not_name_is_ambiguous() {
    let mut one = disk();
    one.put(0, &[0; 512]);
    let table = one.table();
    kept(&table, &[Damage::NoProtectiveMbr]);
    assert_eq!((table.kind, places(&table).len()), (Kind::Gpt, 2));
    // Another table there.
    one.slot(0, 1, 0x83, 64, 100);
    let table = one.table();
    let ends = [(Primary, 512), (Backup, LAST * 512)];
    let ends = ends.map(|(place, at)| Damage::Disagreement { place, at });
    kept(&table, &ends);
    assert_eq!((table.kind, places(&table).len()), (Kind::Mbr, 1));
    // No table there, and the backup alone.
    one.put(0, &[0; 1024]);
    let table = one.table();
    kept(&table, &ends[1..]);
    assert_eq!(table.kind, Kind::None(NoTable::Signature));
    // What is left of a header is nothing.
    one.put(LAST as usize * 512 + 24, &[0]);
    let table = one.table();
    assert!(matches!(
        table.damage[..],
        [Damage::Remains { at: 0x1f_fe00, .. }]
    ));
    assert_eq!(table.damage[0].kind(), ErrorKind::Notice);
    owned(&table, &[(4096, "Gap")]);
    // A protective entry that Linux does not accept.
    let mut one = disk();
    one.slot(0, 1, 0xee, 2, 100);
    kept(&one.table(), &[Damage::ProtectiveStart { start: 2 }]);
}

#[test]
fn in_a_hybrid_the_gpt_counts_where_both_say_the_same() {
    let mut one = disk();
    one.slot(0, 1, 0x0c, 64, 100).slot(0, 3, 0xee, 1, 63);
    let table = one.table();
    known(&table, &[]);
    owned(&table, &SOUND);
    one.slot(0, 2, 0x83, 200, 99).slot(0, 4, 0x83, 1000, 10);
    let table = one.table();
    known(
        &table,
        &[Damage::Hybrid { slot: 2 }, Damage::Hybrid { slot: 4 }],
    );
    owned(
        &table,
        &[
            (34, "Structure"),
            (64, "Gap"),
            (164, "1"),
            (200, "Gap"),
            (300, "Doubtful"),
            (1000, "Gap"),
            (1010, "Doubtful"),
            (4063, "Gap"),
            (4096, "Structure"),
        ],
    );
}
