//! Where filesystems are mounted, and what it means if they cannot be.

use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::verdict::Verdict;

/// Where all is done, if the machine has it: a filesystem in memory.
const MEMORY: &str = "/dev/shm";

/// An empty folder, in memory if there is a filesystem in memory.
pub(crate) fn scratch() -> io::Result<TempDir> {
    if Path::new(MEMORY).is_dir() {
        tempfile::tempdir_in(MEMORY)
    } else {
        tempfile::tempdir()
    }
}

/// How a case ends that could mount nothing, and `why`. Without root there is
/// nothing to ask for; `CI` as root must be able.
pub(crate) fn cannot_mount(why: &str) -> io::Result<Verdict> {
    let text = format!("no filesystem can be mounted here: {why}");
    if fixtures::strict() && rustix::process::geteuid().is_root() {
        return Err(io::Error::other(text));
    }
    Ok(Verdict::Skipped(text))
}
