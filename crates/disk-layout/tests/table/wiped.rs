//! Filesystems made over tables: what is left of the tables.

use std::fs::{self, File};

use disk_layout::table::{self, Damage, Kind, NoTable, Options, Table};
use fixtures::{Tool, require};
use hostdisk::Disk;

use crate::disk::{MIB, check};

/// The table of a disk with a GPT, after `tool` ran on it.
fn after(gpt: bool, tool: &Tool, arguments: &[&str]) -> Option<Table> {
    let sgdisk = require("sgdisk")?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    File::create(&path).unwrap().set_len(64 * MIB).unwrap();
    if gpt {
        sgdisk
            .ok(|command| command.args(["-n", "1:2048:+8M"]).arg(&path))
            .unwrap();
    }
    tool.ok(|command| command.args(arguments).arg(&path))
        .unwrap();
    let disk = Disk::open(&path).unwrap();
    let table = table::read(&disk, &Options::default()).unwrap();
    check(&table, fs::metadata(&path).unwrap().len());
    Some(table)
}

#[test]
fn mkfs_fat_leaves_the_backup() {
    let Some(mkfs) = require("mkfs.fat") else {
        return;
    };
    let Some(table) = after(true, &mkfs, &["-I"]) else {
        return;
    };
    assert!(matches!(table.kind, Kind::None(_)), "{table:?}");
    assert!(table.is_ambiguous(), "{table:?}");
    let is_backup = |damage: &Damage| matches!(damage, Damage::Disagreement { at, .. } if *at == 64 * MIB - 512);
    assert!(table.damage.iter().any(is_backup), "{table:?}");
}

#[test]
fn mkfs_fat_puts_a_partition_into_its_own_boot_sector() {
    let Some(mkfs) = require("mkfs.fat") else {
        return;
    };
    let table = after(false, &mkfs, &["-I", "--mbr=y"]).unwrap();
    assert_eq!(table.kind, Kind::None(NoTable::OwnPartition));
    assert_eq!(table.damage, []);
    let table = after(false, &mkfs, &["-I", "--mbr=n"]).unwrap();
    assert_eq!(
        (table.kind, &table.damage[..]),
        (Kind::None(NoTable::Empty), &[][..])
    );
}

#[test]
fn mkswap_leaves_both_headers() {
    let Some(mkswap) = require("mkswap") else {
        return;
    };
    let Some(table) = after(true, &mkswap, &["-f"]) else {
        return;
    };
    assert!(table.is_ambiguous(), "{table:?}");
}
