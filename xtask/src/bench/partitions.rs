//! The disk of a virtual machine: a table, an ESP, and room for the root.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::Tool;

use super::tools::find;
use crate::task::{Failure, TaskResult};

const MIB: u64 = 1 << 20;
const SECTOR_BYTES: u64 = 512;

/// Where the ESP begins, and where the root does.
const ESP_OFFSET_BYTES: u64 = MIB;
pub(super) const ROOT_OFFSET_BYTES: u64 = 101 * MIB;
/// What the second table leaves free, for itself and to end at a MiB.
pub(super) const BACKUP_BYTES: u64 = MIB;

/// Makes `disk` of `size_bytes`, with everything but the root.
pub(super) fn make(disk: &Path, size_bytes: u64) -> TaskResult {
    File::create(disk)?.set_len(size_bytes)?;
    let [first, second] = [ESP_OFFSET_BYTES, ROOT_OFFSET_BYTES].map(|bytes| bytes / SECTOR_BYTES);
    let last = (size_bytes - BACKUP_BYTES) / SECTOR_BYTES - 1;
    let partitions = [
        format!("-n1:{first}:{}", second - 1),
        "-t1:ef00".into(),
        format!("-n2:{second}:{last}"),
    ];
    tool("sgdisk")?.ok(|command| command.args(partitions).arg(disk))?;
    let part = disk.with_extension("esp");
    File::create(&part)?.set_len(ROOT_OFFSET_BYTES - ESP_OFFSET_BYTES)?;
    tool("mkfs.vfat")?.ok(|command| command.arg(&part))?;
    let disk = OpenOptions::new().write(true).open(disk)?;
    disk.write_all_at(&fs::read(&part)?, ESP_OFFSET_BYTES)?;
    fs::remove_file(part)?;
    Ok(())
}

/// The program `name`, which must be here.
pub(super) fn tool(name: &str) -> Result<Tool, Failure> {
    find(name).ok_or(Failure::new(format!("{name} is not installed")))
}
