//! Damaged tables: never a panic, and always an owner for every byte.

use std::io;

use blockio::ReadAt;
use disk_layout::table::{self, Error, ErrorKind, Options, Structure};
use proptest::prelude::*;

use crate::disk::{Disk, MIB, Shape, check};

fn bases() -> [Disk; 4] {
    let mut mbr = Disk::new(MIB);
    mbr.slot(0, 1, 0x83, 64, 100).slot(0, 2, 0x05, 200, 1000);
    mbr.slot(200 * 512, 1, 0x83, 2, 20)
        .slot(200 * 512, 2, 0x05, 100, 60);
    mbr.slot(300 * 512, 1, 0x83, 2, 20);
    let mut gpt = Disk::new(MIB);
    let mut shape = Shape::usual(1 << 20, 512);
    gpt.gpt(&shape, &[(1, 64, 163), (2, 200, 299)]);
    let mut large = Disk::new(MIB);
    large.gpt(&Shape::usual(1 << 20, 4096), &[(1, 8, 15), (128, 16, 17)]);
    let mut hybrid = Disk::new(MIB);
    (shape.entries, shape.entry_bytes) = (16, 512);
    hybrid
        .gpt(&shape, &[(1, 64, 163)])
        .slot(0, 2, 0x83, 64, 100);
    [mbr, gpt, large, hybrid]
}

/// Values that numbers of tables do not like.
fn hostile() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(i64::MAX as u64),
        Just(u64::from(u32::MAX)),
        0u64..3000,
        (0u32..64).prop_map(|bit| 1 << bit),
        any::<u64>(),
    ]
}

/// The fields of a table: places and lengths in bytes.
fn fields() -> Vec<(usize, usize)> {
    let mut fields = vec![];
    for record in [0, 200 * 512, 300 * 512] {
        for slot in 0..4 {
            let at = record + 446 + slot * 16;
            fields.extend([(at, 1), (at + 4, 1), (at + 8, 4), (at + 12, 4)]);
        }
        fields.push((record + 510, 2));
    }
    for header in [512, 4096, (1 << 20) - 512, (1 << 20) - 4096] {
        let lengths = [8, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 4, 4, 4];
        let mut at = header;
        for length in lengths {
            fields.push((at, length));
            at += length;
        }
    }
    for entry in [1024, 1024 + 512, 2 * 4096, (1 << 20) - 33 * 512] {
        fields.extend([
            (entry, 8),
            (entry + 32, 8),
            (entry + 40, 8),
            (entry + 48, 8),
        ]);
    }
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_byte_has_an_owner_whatever_the_fields_hold(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 0..6),
        seal: bool,
        cut in prop_oneof![3 => Just(None), 1 => (0usize..1 << 20).prop_map(Some)],
        sector in prop_oneof![Just(None), Just(Some(4096)), any::<Option<u32>>()],
    ) {
        let mut disk = bases()[which].clone();
        let fields = fields();
        for (field, value) in changes {
            let (at, length) = fields[field.index(fields.len())];
            disk.put(at, &value.to_le_bytes()[..length]);
        }
        if seal {
            for (header, sector) in [(512, 512), ((1 << 20) - 512, 512), (4096, 4096), ((1 << 20) - 4096, 4096)] {
                reseal(&mut disk, header, sector);
            }
        }
        disk.0.truncate(cut.unwrap_or(usize::MAX));
        let mut options = Options::default();
        options.sector_bytes = sector;
        let table = table::read(&disk.0, &options).unwrap();
        check(&table, disk.0.len() as u64);
        for damage in &table.damage {
            prop_assert!(!damage.to_string().is_empty());
            let _ = damage.kind();
        }
    }
}

/// Makes the checksums of a header and its array right.
fn reseal(disk: &mut Disk, header: usize, sector: usize) {
    if !disk.0[header..].starts_with(b"EFI PART") {
        return;
    }
    let number = |at: usize, length: usize| {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(&disk.0[header + at..header + at + length]);
        u64::from_le_bytes(bytes)
    };
    let at = number(72, 8).checked_mul(sector as u64);
    let length = number(80, 4) * number(84, 4);
    let array = at.and_then(|at| {
        let end = at.checked_add(length)?;
        disk.0
            .get(usize::try_from(at).ok()?..usize::try_from(end).ok()?)
    });
    if let Some(array) = array {
        let crc = crate::disk::crc32(array);
        disk.put(header + 88, &crc.to_le_bytes());
    }
    disk.seal(header);
}

/// A disk of which one byte cannot be read.
struct Failing(Disk, u64);

impl ReadAt for Failing {
    fn size(&self) -> u64 {
        self.0.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if (offset..offset + buf.len() as u64).contains(&self.1) {
            return Err(io::Error::other("injected"));
        }
        self.0.0.read_at(offset, buf)
    }
}

#[test]
fn storage_that_fails_is_an_error() {
    let [mbr, gpt, ..] = bases();
    for (disk, bad, structure, offset) in [
        (&mbr, 5, Structure::BootRecord, 0),
        (&mbr, 300 * 512, Structure::ExtendedBootRecord, 300 * 512),
        (&gpt, 600, Structure::GptHeader, 512),
        (&gpt, MIB - 1, Structure::GptHeader, MIB - 512),
        (&gpt, 3000, Structure::GptArray, 1024),
    ] {
        let failing = Failing(disk.clone(), bad);
        let error = table::read(&failing, &Options::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let Error::Read {
            structure: what,
            offset: at,
            ..
        } = error
        else {
            panic!()
        };
        assert_eq!((what, at), (structure, offset));
    }
}
