//! The makes of mke2fs: features, block sizes, how full, cluster sizes.

use std::io;
use std::path::Path;

use fixtures::copy_used;

use super::case::Case;
use super::source::{Fill, Make, usage};
use crate::support::round_trip::{Bench, DONE, Files};
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// Options of mke2fs besides the block size, by name.
const FEATURES: [(&str, &[&str]); 18] = [
    ("ext2", &["-t", "ext2"]),
    ("rev0", &["-t", "ext2", "-r", "0"]),
    ("ext3", &["-t", "ext3"]),
    ("ext4", &["-t", "ext4"]),
    ("ext4-32bit", &["-t", "ext4", "-O", "^64bit"]),
    (
        "uninit_bg",
        &["-t", "ext4", "-O", "^metadata_csum,uninit_bg"],
    ),
    (
        "uninit_bg-32bit",
        &["-t", "ext4", "-O", "^metadata_csum,^64bit,uninit_bg"],
    ),
    (
        "no-checksums",
        &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg"],
    ),
    ("csum_seed", &["-t", "ext4", "-O", "metadata_csum_seed"]),
    ("no-journal", &["-t", "ext4", "-O", "^has_journal"]),
    ("meta_bg", &["-t", "ext4", "-O", "meta_bg,^resize_inode"]),
    (
        "meta_bg-sparse_super2",
        &["-t", "ext4", "-O", "meta_bg,^resize_inode,sparse_super2"],
    ),
    (
        "sparse_super2",
        &["-t", "ext4", "-O", "sparse_super2,^resize_inode"],
    ),
    (
        "no-sparse_super",
        &["-t", "ext4", "-O", "^sparse_super,^resize_inode"],
    ),
    ("no-flex_bg", &["-t", "ext4", "-O", "^flex_bg"]),
    ("groups-of-256", &["-t", "ext4", "-g", "256", "-N", "2000"]),
    ("quota", &["-t", "ext4", "-O", "quota"]),
    ("bigalloc", &["-t", "ext4", "-O", "bigalloc"]),
];

/// Block sizes, each with a length of the disk in bytes that ends inside a
/// group where that costs little.
const BLOCKS: [(&str, u64); 4] = [
    ("1024", 28 * MIB + 300 * 1024),
    ("2048", 72 * MIB + 300 * 1024),
    ("4096", 140 * MIB + 300 * 1024),
    ("65536", 96 * MIB),
];

const FILLS: [Fill; 3] = [Fill::Half, Fill::Empty, Fill::Full];

/// Cluster sizes, each with a compression.
const CLUSTERS: [(&str, &str); 7] = [
    ("64K", "none"),
    ("512", "zlib"),
    ("4K", "none"),
    ("2M", "zstd"),
    ("64K", "zlib"),
    ("4K", "zstd"),
    ("2M", "none"),
];

/// Every make; without `QCOW2_TESTS=full` each feature twice, the others taking turns.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (turn, (feature, options)) in FEATURES.into_iter().enumerate() {
        for (column, (block, size_bytes)) in BLOCKS.into_iter().enumerate() {
            for fill in FILLS {
                let full_block = [&["-b", block], options].concat();
                let make = Make::new(size_bytes, &full_block, fill);
                let quick = match fill {
                    Fill::Half => column == turn % 4,
                    Fill::Empty => column == (turn + 2) % 4,
                    Fill::Full | Fill::Share(_) => column == 0 && turn % 6 == 0,
                };
                let first = (turn + column) % CLUSTERS.len();
                cases.push(case(feature, block, make, quick, first));
            }
        }
    }
    cases
}

/// A make with every cluster size; one that is part of a quick run with the two
/// from `first` on.
fn case(feature: &str, block: &str, make: Make, quick: bool, first: usize) -> Case {
    let name = format!("{feature} blocks of {block}, {:?}", make.fill).to_lowercase();
    Case::new(name, quick, move |bench, folder| {
        let files = Files::new(folder);
        if let Err(error) = make.make(bench, &files.source) {
            return Ok(Verdict::Skipped(error.to_string()));
        }
        let mut verdict = Verdict::Ran(vec![]);
        let count = if quick { 2 } else { CLUSTERS.len() };
        for (cluster, codec) in CLUSTERS.iter().cycle().skip(first).take(count) {
            let arguments = ["--cluster-size", cluster, "--compress", codec];
            verdict = verdict.and(healthy(bench, &files, &arguments)?);
        }
        Ok(verdict)
    })
}

/// The checks for a filesystem nothing is wrong with: a round trip that ends
/// with 0, and qemu-img's own comparison of what is used.
pub(super) fn healthy(bench: &Bench, files: &Files, arguments: &[&str]) -> io::Result<Verdict> {
    files.clear()?;
    let used = files.source.with_extension("used");
    copy_used(&files.source, &used, &usage(bench, &files.source)?)?;
    let trip = Verdict::of(bench.round_trip(files, arguments)?, DONE);
    let qemu = qemu_compares(bench, &used, &files.image)?;
    std::fs::remove_file(used)?;
    Ok(trip.and(qemu))
}

fn qemu_compares(bench: &Bench, disk: &Path, image: &Path) -> io::Result<Verdict> {
    let outcome = bench.qemu.tool().run(|command| {
        command
            .args(["compare", "-f", "raw", "-F", "qcow2"])
            .args([disk, image])
    })?;
    Ok(Verdict::check(
        outcome.success(),
        format!("qemu-img compare: {}", outcome.brief(100)),
    ))
}
