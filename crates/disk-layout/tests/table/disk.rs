//! Disks with tables of which every byte is written here, at literal offsets.

use std::ops::Range;

use disk_layout::table::{self, Damage, Effect, Kind, Owner, Table};

pub(crate) const MIB: u64 = 1 << 20;

/// A disk in memory.
#[derive(Clone, Debug)]
pub(crate) struct Disk(pub(crate) Vec<u8>);

/// Where a GPT has its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sector: usize,
    pub(crate) entries: u32,
    pub(crate) entry_bytes: usize,
    /// LBAs of the primary and the backup array, and of the backup header.
    pub(crate) arrays: [u64; 2],
    pub(crate) backup: u64,
}

impl Shape {
    /// As most programs make it, on `bytes` bytes.
    pub(crate) fn usual(bytes: usize, sector: usize) -> Self {
        let last = (bytes / sector - 1) as u64;
        let array = (128 * 128usize).div_ceil(sector) as u64;
        Self {
            sector,
            entries: 128,
            entry_bytes: 128,
            arrays: [2, last - array],
            backup: last,
        }
    }
}

/// A partition to be: its number, and its first and last sector.
pub(crate) type Part = (u32, u64, u64);

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

impl Disk {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(vec![0; bytes as usize])
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes 55 aa to the sector at byte `at`.
    pub(crate) fn sign(&mut self, at: usize) -> &mut Self {
        self.put(at + 510, &[0x55, 0xaa])
    }

    /// Writes slot `slot` (1 to 4) of the boot record at byte `at`.
    pub(crate) fn slot(
        &mut self,
        at: usize,
        slot: usize,
        kind: u8,
        start: u32,
        count: u32,
    ) -> &mut Self {
        let place = at + 446 + 16 * (slot - 1);
        self.put(place + 4, &[kind]);
        self.put(place + 8, &start.to_le_bytes());
        self.put(place + 12, &count.to_le_bytes()).sign(at)
    }

    /// Writes a protective MBR and a GPT.
    pub(crate) fn gpt(&mut self, shape: &Shape, parts: &[Part]) -> &mut Self {
        self.slot(0, 1, 0xee, 1, u32::MAX);
        let mut array = vec![0; shape.entries as usize * shape.entry_bytes];
        for (number, first, last) in parts {
            let at = (*number as usize - 1) * shape.entry_bytes;
            let number = *number as u8;
            array[at..at + 16].fill(0x11);
            array[at + 16..at + 32].fill(number);
            array[at + 32..at + 40].copy_from_slice(&first.to_le_bytes());
            array[at + 40..at + 48].copy_from_slice(&last.to_le_bytes());
            array[at + 48..at + 56].copy_from_slice(&4u64.to_le_bytes());
            // A name, its end, and what another name left there.
            array[at + 56..at + 62].copy_from_slice(&[b'p', 0, 0, 0, b'x', 0xd8]);
        }
        for (lba, other, array_lba) in [
            (1, shape.backup, shape.arrays[0]),
            (shape.backup, 1, shape.arrays[1]),
        ] {
            self.put(array_lba as usize * shape.sector, &array);
            let at = lba as usize * shape.sector;
            self.put(at, b"EFI PART").put(at + 8, &[0, 0, 1, 0, 92]);
            self.u64(at + 24, lba).u64(at + 32, other);
            let room = array.len().div_ceil(shape.sector) as u64;
            let first = if shape.arrays[0] == 2 { 2 + room } else { 2 };
            self.u64(at + 40, first).u64(at + 48, shape.arrays[1] - 1);
            self.put(at + 56, &[0xdd; 16]).u64(at + 72, array_lba);
            self.put(at + 80, &shape.entries.to_le_bytes());
            self.put(at + 84, &(shape.entry_bytes as u32).to_le_bytes());
            self.put(at + 88, &crc32(&array).to_le_bytes());
            self.seal(at);
        }
        self
    }

    /// Makes the checksum of the header at byte `at` right.
    pub(crate) fn seal(&mut self, at: usize) -> &mut Self {
        self.put(at + 16, &[0; 4]);
        let crc = crc32(&self.0[at..at + 92]);
        self.put(at + 16, &crc.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, at: usize, value: u64) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    #[track_caller]
    pub(crate) fn table(&self) -> Table {
        let table = table::read(&self.0, &table::Options::default()).unwrap();
        check(&table, self.0.len() as u64);
        table
    }
}

/// Asserts what holds of every table.
#[track_caller]
pub(crate) fn check(table: &Table, size: u64) {
    let mut at = 0;
    let mut before = None;
    for (range, owner) in table.owners() {
        assert!(range.start == at && range.end > at, "{range:?} after {at}");
        assert_ne!(before, Some(owner), "{range:?} could be longer");
        (at, before) = (range.end, Some(owner));
        if let Owner::Partition(index) = owner {
            let partition = &table.partitions[index];
            assert!(partition.range.start <= range.start && range.end <= partition.range.end);
            assert!(!partition.is_doubtful && !partition.is_extended);
        }
    }
    assert_eq!(at, size);
    for partition in &table.partitions {
        assert!(partition.range.start < partition.range.end && partition.range.end <= size);
    }
    for pair in table.structures.windows(2) {
        assert!(pair[0].end < pair[1].start);
    }
    let effects = table.damage.iter().map(Damage::effect);
    let is_everything = effects.clone().any(|effect| effect == Effect::Everything);
    assert_eq!(table.is_ambiguous(), is_everything);
    if is_everything {
        let all = table.owners().all(|(_, owner)| owner == Owner::Doubtful);
        assert!(all);
    }
    if table.damage.is_empty() {
        let mut owners = table.owners();
        assert!(!owners.any(|(_, owner)| owner == Owner::Doubtful));
    }
}

/// The numbers and bytes of the partitions.
pub(crate) fn places(table: &Table) -> Vec<(u32, Range<u64>)> {
    let partitions = table.partitions.iter();
    partitions
        .map(|partition| (partition.number, partition.range.clone()))
        .collect()
}

/// The owners, with the numbers of partitions.
pub(crate) fn owners(table: &Table) -> Vec<(u64, String)> {
    let owners = table.owners();
    owners
        .map(|(range, owner)| {
            let name = match owner {
                Owner::Partition(index) => table.partitions[index].number.to_string(),
                other => format!("{other:?}"),
            };
            (range.end / 512, name)
        })
        .collect()
}

/// Asserts that the owners end at these sectors of 512 bytes.
#[track_caller]
pub(crate) fn owned(table: &Table, want: &[(u64, &str)]) {
    let got = owners(table);
    let got: Vec<_> = got
        .iter()
        .map(|(end, name)| (*end, name.as_str()))
        .collect();
    assert_eq!(got, want, "{:?}", table.damage);
}

pub(crate) fn is_gpt(table: &Table) -> bool {
    table.kind == Kind::Gpt
}
