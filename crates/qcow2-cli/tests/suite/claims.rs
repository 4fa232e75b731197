//! Disks that look like an ext4 and may be something else, of which pack must keep
//! every byte.

mod made;
mod table;
mod verity;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, SplitMix, Tool, require};

use crate::bench::Bench;
use table::Row;

const MIB: u64 = 1 << 20;

/// No multiple of a sector, and so far from all larger units.
const ODD_BYTES: u64 = 12 * MIB + 70_000 + 77;

/// An ext4 of two groups in `disk` and what was there before in its free blocks,
/// and past its end.
fn disk(e2fs: &E2fs, name: &str, bytes: u64) -> Bench {
    let bench = Bench::new();
    let old = SplitMix::new(bytes).bytes(usize::try_from(bytes).unwrap());
    bench.write(name, old);
    let options = ["-t", "ext4", "-b", "1024", "-E", "nodiscard"];
    let file = bench.path(name);
    e2fs.make(&file, 12 * MIB, &options).unwrap();
    let tail = SplitMix::new(1).bytes(usize::try_from(bytes - 12 * MIB).unwrap());
    let disk = OpenOptions::new().write(true).open(&file).unwrap();
    disk.write_all_at(&tail, 12 * MIB).unwrap();
    bench
}

/// What `blkid -p` finds in `name`: a type, or that there is more than one.
fn blkid(tool: &Tool, bench: &Bench, name: &str) -> String {
    let path = bench.path(name);
    let outcome = tool.run(|command| command.arg("-p").arg(path)).unwrap();
    format!("{} {}", outcome.stdout, outcome.stderr)
}

/// Each signature alone makes the whole disk kept, and is named; without it the
/// disk is an ext4 with free blocks.
#[track_caller]
fn all_are_kept(rows: Vec<Row>) {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("blkid")) else {
        return;
    };
    let bench = disk(&e2fs, "disk", ODD_BYTES);
    let report = bench.ok("pack --force disk image");
    assert!(!report.contains("everything"), "{report}");
    let clean = bench.read("disk");
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    let mut named = HashSet::new();
    for row in rows {
        let at = row.at.on(ODD_BYTES);
        file.write_all_at(&row.bytes, at).unwrap();
        let what = format!("{row:?} at {at:#x}");
        let outcome = bench.run("pack --force disk image");
        assert_eq!(outcome.code, Some(3), "{what}: {outcome:?}");
        let note = format!(
            "everything is stored: the disk is also claimed by {} (signature at byte {:#x})",
            row.name,
            at + row.magic
        );
        assert!(outcome.stdout.contains(&note), "{what}: {}", outcome.stdout);
        if named.insert(row.name) {
            bench.ok("unpack --force image restored");
            assert!(bench.read("restored") == bench.read("disk"), "{what}");
        }
        let found = blkid(&tool, &bench, "disk");
        let types = [row.blkid, "ext4"].map(|name| format!("TYPE=\"{name}\""));
        let agrees = match row.blkid.strip_prefix('-') {
            Some(_) => found.contains(&types[1]) && !found.contains("PTTYPE"),
            None if row.blkid == table::AMB => found.contains(table::AMB),
            None => found.contains(&types[0]),
        };
        assert!(agrees, "{what}: {found}");
        let from = usize::try_from(at).unwrap();
        file.write_all_at(&clean[from..from + row.bytes.len()], at)
            .unwrap();
    }
}

#[test]
fn partition_tables_claim_their_disk() {
    all_are_kept(table::labels());
}

#[test]
fn volumes_claim_their_disk() {
    all_are_kept(table::volumes());
}

#[test]
fn raids_claim_their_disk() {
    all_are_kept(table::raids());
}

#[test]
fn filesystems_claim_their_disk() {
    all_are_kept(table::filesystems());
}
