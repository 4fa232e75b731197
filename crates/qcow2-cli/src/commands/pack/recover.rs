//! The disk as it will be after recovery, and with scrambled names: views of an ext
//! filesystem that are packed in place of the source.

use std::fmt::Display;
use std::path::Path;

use disk_layout::{Disk, Part};
use ext_blocks::{Halt, Recovered};
use ext_scramble::{ScrambleKey, Scrambled, scramble};
use hostdisk::random_bytes;

use crate::args::spool;
use crate::failure::Failure;

/// What is read below such a view.
pub(super) type Below<'v> = &'v Part<'v>;

/// The disk after its journal was replayed.
pub(super) fn recovered<'v>(
    disk: &'v Disk<'_>,
    path: &Path,
) -> Result<Recovered<Below<'v>>, Failure> {
    let Some(filesystem) = disk.as_ext() else {
        let message = "there is no ext filesystem here whose journal could be replayed";
        return Err(Failure::because(path, message));
    };
    filesystem
        .recovered()
        .map_err(|halt| failure(path, halt, "it cannot be recovered"))
}

/// That a recovered filesystem is not quite clean, where that is so.
pub(super) fn orphans(disk: &Disk<'_>) -> Option<String> {
    let filesystem = disk.report().filesystem.as_ref()?;
    let note = "inodes that were deleted while open are left to the next mount or e2fsck";
    filesystem.has_orphans.then(|| note.to_owned())
}

/// The metadata with scrambled names, by a key that nobody knows.
pub(super) fn scrambled<'v>(
    disk: &'v Disk<'_>,
    path: &Path,
) -> Result<Scrambled<Below<'v>>, Failure> {
    let Some(filesystem) = disk.as_ext() else {
        return Err(Failure::because(path, "there is no ext filesystem here"));
    };
    let key = random_bytes().map_err(|error| Failure::Failed(format!("a key: {error}")))?;
    scramble(filesystem, &ScrambleKey::new(key), &spool)
        .map_err(|halt| failure(path, halt, "names cannot be scrambled"))
}

fn failure<W: Display>(path: &Path, halt: Halt<W>, what: &str) -> Failure {
    match halt {
        Halt::Failed(error) => Failure::about(path, &error),
        Halt::Refused(why) => Failure::because(path, format!("{what}: {why}")),
    }
}
