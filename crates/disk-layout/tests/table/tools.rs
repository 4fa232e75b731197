//! Tables made by sgdisk, sfdisk and parted, held against what these say of them.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

use disk_layout::table::{self, Damage, Kind, Options, Table};
use fixtures::{Tool, require};
use hostdisk::Disk;
use serde_json::Value;

use crate::disk::{MIB, check, places};

/// A sparse file for a disk.
struct Made {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Made {
    fn new(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        File::create(&path).unwrap().set_len(bytes).unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    /// Runs sgdisk with the words of `arguments`.
    fn sgdisk(&self, sgdisk: &Tool, arguments: &str) -> &Self {
        let words = arguments.split_whitespace();
        sgdisk
            .ok(|command| command.args(words).arg(&self.path))
            .unwrap();
        self
    }

    /// Gives `script` to sfdisk.
    fn sfdisk(&self, sfdisk: &Tool, script: &str) -> &Self {
        let file = self.path.with_extension("script");
        fs::write(&file, script).unwrap();
        let shell = Tool::find("sh").unwrap();
        let line = r#""$0" -q --no-tell-kernel --no-reread "$1" < "$2""#;
        let arguments = [sfdisk.path(), &self.path, &file];
        shell
            .ok(|command| command.args(["-c", line]).args(arguments))
            .unwrap();
        self
    }

    fn parted(&self, parted: &Tool, arguments: &str) -> &Self {
        let words = arguments.split_whitespace();
        parted
            .ok(|command| command.arg("-s").arg(&self.path).args(words))
            .unwrap();
        self
    }

    fn grow(&self, bytes: u64) -> &Self {
        let file = File::options().write(true).open(&self.path).unwrap();
        file.set_len(bytes).unwrap();
        self
    }

    #[track_caller]
    fn table(&self) -> Table {
        let disk = Disk::open(&self.path).unwrap();
        let table = table::read(&disk, &Options::default()).unwrap();
        check(&table, fs::metadata(&self.path).unwrap().len());
        table
    }
}

/// What `sfdisk --json` says: numbers, bytes, types, identities.
fn sfdisk_listing(sfdisk: &Tool, path: &Path) -> Vec<(u32, Range<u64>, String, Option<String>)> {
    let json = sfdisk
        .ok(|command| command.arg("--json").arg(path))
        .unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let json = &json["partitiontable"];
    let unit = json["sectorsize"].as_u64().unwrap();
    let partitions = json["partitions"].as_array().unwrap();
    let prefix = path.to_str().unwrap();
    let list = partitions.iter().map(|one| {
        let number = one["node"].as_str().unwrap().strip_prefix(prefix).unwrap();
        let start = one["start"].as_u64().unwrap() * unit;
        let length = one["size"].as_u64().unwrap() * unit;
        let kind = one["type"].as_str().unwrap().to_owned();
        let unique = one["uuid"].as_str().map(str::to_owned);
        (number.parse().unwrap(), start..start + length, kind, unique)
    });
    list.collect()
}

/// Asserts that `table` is what sfdisk and parted list, and sgdisk where it is a GPT.
#[track_caller]
fn as_listed(made: &Made, table: &Table) {
    if let Some(sfdisk) = require("sfdisk") {
        let is_gpt = table.kind == Kind::Gpt;
        let ours = table.partitions.iter().map(|one| {
            let unique = is_gpt.then(|| one.id.to_string());
            (one.number, one.range.clone(), one.kind.to_string(), unique)
        });
        let ours: Vec<_> = ours.collect();
        assert_eq!(sfdisk_listing(&sfdisk, &made.path), ours);
    }
    if let Some(parted) = require("parted") {
        let list = parted.ok(|command| {
            command
                .args(["-s", "-m"])
                .arg(&made.path)
                .args(["unit", "B", "print"])
        });
        let list: Vec<_> = list.unwrap().lines().filter_map(parted_line).collect();
        let mut ours = places(table);
        ours.sort_by_key(|(_, range)| (range.start, range.end));
        let mut list = list;
        list.sort_by_key(|(_, range)| (range.start, range.end));
        assert_eq!(list, ours);
    }
    if let (Kind::Gpt, Some(sgdisk)) = (table.kind, require("sgdisk")) {
        let list = sgdisk
            .ok(|command| command.arg("-p").arg(&made.path))
            .unwrap();
        let list: Vec<_> = list.lines().filter_map(sgdisk_line).collect();
        assert_eq!(list, places(table));
    }
}

fn parted_line(line: &str) -> Option<(u32, Range<u64>)> {
    let mut words = line.split(':');
    let number = words.next()?.parse().ok()?;
    let mut bytes = || words.next()?.strip_suffix('B')?.parse::<u64>().ok();
    Some((number, bytes()?..bytes()? + 1))
}

fn sgdisk_line(line: &str) -> Option<(u32, Range<u64>)> {
    let mut words = line.split_whitespace().map(str::parse::<u64>);
    let mut next = || words.next()?.ok();
    let (number, first, last) = (next()?, next()?, next()?);
    Some((number as u32, first * 512..(last + 1) * 512))
}

const PARTS: &str = "-n 1:2048:+4M -t 1:ef00 -c 1:esp -n 5:0:+8M -A 5:set:2 -n 128:0:+1M";

#[test]
fn gpt_of_sgdisk() {
    let Some(sgdisk) = require("sgdisk") else {
        return;
    };
    for shape in ["", "-j 100", "-S 256", "-S 56 -j 40", "-j 1000 -S 248"] {
        let made = Made::new(64 * MIB);
        let parts = if shape.contains("56 ") {
            "-n 1:2048:+4M"
        } else {
            PARTS
        };
        made.sgdisk(&sgdisk, shape).sgdisk(&sgdisk, parts);
        let table = made.table();
        assert_eq!(
            (table.kind, &table.damage[..]),
            (Kind::Gpt, &[][..]),
            "{shape}"
        );
        as_listed(&made, &table);
        if parts == PARTS {
            assert_eq!(table.partitions[0].name, "esp");
            assert!(table.partitions[1].is_bootable);
        }
    }
}

#[test]
fn gpt_of_sgdisk_grown_and_hybrid() {
    let Some(sgdisk) = require("sgdisk") else {
        return;
    };
    let made = Made::new(64 * MIB);
    made.sgdisk(&sgdisk, PARTS).grow(80 * MIB);
    let table = made.table();
    assert_eq!(table.damage, [Damage::BackupInside { at: 64 * MIB - 512 }]);
    assert_eq!(places(&table).len(), 3);
    // Moved to the new end: the old backup is part of a gap.
    made.sgdisk(&sgdisk, "-e");
    assert_eq!(made.table().damage, []);
    as_listed(&made, &made.table());
    // A hybrid MBR: the GPT counts.
    made.sgdisk(&sgdisk, "-h 1:5");
    let table = made.table();
    assert_eq!((table.kind, &table.damage[..]), (Kind::Gpt, &[][..]));
    assert_eq!(places(&table).len(), 3);
}

#[test]
fn tables_of_sfdisk() {
    let Some(sfdisk) = require("sfdisk") else {
        return;
    };
    let logical = "label: dos\nlabel-id: 0x90909090\n\
        start=64,size=100,type=c,bootable\nstart=4096,size=40000,type=5\n\
        start=50000,size=100,type=83\n\
        start=6000,size=1000,type=83\nstart=4200,size=1000,type=82\nstart=10000,size=30000,type=83\n";
    for (script, kind, count) in [
        (
            "label: gpt\ntable-length: 8\nsize=4MiB,type=U,name=\"a b\"\nsize=8MiB\n",
            Kind::Gpt,
            2,
        ),
        (
            "label: gpt\nfirst-lba: 64\nsize=1MiB,attrs=\"LegacyBIOSBootable,GUID:63\"\n",
            Kind::Gpt,
            1,
        ),
        (
            "label: dos\nsize=4MiB,type=c\nsize=8MiB,type=83\n",
            Kind::Mbr,
            2,
        ),
        (logical, Kind::Mbr, 6),
    ] {
        let made = Made::new(64 * MIB);
        made.sfdisk(&sfdisk, script);
        let table = made.table();
        assert_eq!(
            (table.kind, table.partitions.len()),
            (kind, count),
            "{script}"
        );
        assert_eq!(table.damage, []);
        as_listed(&made, &table);
        if script == logical {
            assert_eq!(table.partitions[4].id.to_string(), "90909090-06");
            assert!(table.partitions[0].is_bootable);
        }
    }
}

#[test]
fn tables_of_parted() {
    let Some(parted) = require("parted") else {
        return;
    };
    for (arguments, kind) in [
        (
            "mklabel gpt mkpart esp fat32 1MiB 5MiB mkpart root 5MiB 60MiB set 1 esp on",
            Kind::Gpt,
        ),
        (
            "mklabel msdos mkpart primary 1MiB 5MiB mkpart extended 5MiB 60MiB \
             mkpart logical 6MiB 10MiB mkpart logical 11MiB 20MiB mkpart logical 30MiB 40MiB",
            Kind::Mbr,
        ),
        ("mklabel msdos mkpart extended 5MiB 60MiB", Kind::Mbr),
    ] {
        let made = Made::new(64 * MIB);
        made.parted(&parted, arguments);
        let table = made.table();
        assert_eq!(
            (table.kind, &table.damage[..]),
            (kind, &[][..]),
            "{arguments}"
        );
        as_listed(&made, &table);
    }
    // The first logical partition removed: its record stays, without a partition.
    let made = Made::new(64 * MIB);
    made.parted(
        &parted,
        "mklabel msdos mkpart extended 5MiB 60MiB mkpart logical 6MiB 10MiB \
         mkpart logical 11MiB 20MiB rm 5",
    );
    let table = made.table();
    assert_eq!(table.damage, []);
    assert_eq!(places(&table)[1], (5, 11 * MIB..20 * MIB));
}
