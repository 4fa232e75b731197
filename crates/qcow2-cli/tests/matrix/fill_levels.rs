//! Filesystems of several sizes, each filled to several levels: the tables and
//! refcounts of an image grow with what is in use, and have to be complete at
//! every size.

use std::io;
use std::path::Path;

use super::case::Case;
use super::makes::healthy;
use super::source::{Fill, Make};
use crate::support::round_trip::{Bench, Files};
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// Lengths of the disk in MiB.
const SIZES: [u64; 5] = [13, 22, 37, 54, 75];

/// Thousandths of the free space that a file takes.
const LEVELS: [u64; 5] = [100, 400, 700, 900, 970];

/// Images with many clusters for their length, or with narrow refcounts.
const ARGUMENTS: [&[&str]; 3] = [
    &["--compat", "0.10", "--cluster-size", "1K"],
    &["--cluster-size", "512"],
    &["--refcount-bits", "1"],
];

/// Every level of every size; without `QCOW2_TESTS=full` each size and each level once.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, size) in SIZES.into_iter().enumerate() {
        for (column, level) in LEVELS.into_iter().enumerate() {
            let percent = level / 10;
            let name = format!("ext2 of {size} MiB, {percent} % of its free space filled");
            let quick = column == 2 * row % LEVELS.len();
            cases.push(Case::new(name, quick, move |bench, folder| {
                filled(bench, folder, size, level)
            }));
        }
    }
    cases
}

fn filled(bench: &Bench, folder: &Path, size: u64, level: u64) -> io::Result<Verdict> {
    let files = Files::new(folder);
    let options = ["-t", "ext2", "-b", "1024", "-m", "0"];
    Make::new(size * MIB, &options, Fill::Share(level)).make(bench, &files.source)?;
    let mut verdict = Verdict::Ran(vec![]);
    for arguments in ARGUMENTS {
        verdict = verdict.and(healthy(bench, &files, arguments)?);
    }
    Ok(verdict)
}
