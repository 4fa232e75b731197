//! Filesystems whose bitmaps prove too little, or nothing: then every byte is kept.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{compare, ext};

use super::case::Case;
use super::source::{Fill, Make};
use crate::support::round_trip::{Bench, DONE_UNCLEAN, Files};
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// A change that makes free blocks doubtful.
#[derive(Clone, Copy)]
enum Doubt {
    /// A debugfs command.
    Debugfs(&'static str),
    /// Bytes of the disk replaced.
    Bytes(u64, &'static [u8]),
}

/// States in which bitmaps are not enough: the inodes are asked, too.
const STATES: [(&str, &[&str], Doubt); 4] = [
    (
        "ext2 mounted",
        &["-t", "ext2"],
        Doubt::Debugfs("ssv state 0"),
    ),
    (
        "ext4 without journal mounted",
        &["-t", "ext4", "-O", "^has_journal"],
        Doubt::Debugfs("ssv state 0"),
    ),
    (
        "ext2 with errors",
        &["-t", "ext2"],
        Doubt::Debugfs("ssv state 3"),
    ),
    (
        "ext4 with errors",
        &["-t", "ext4"],
        Doubt::Debugfs("ssv state 3"),
    ),
];

/// Features and other claims, by name, each with the make it is done to.
const DOUBTS: [(&str, &[&str], Doubt); 4] = [
    // The highest bits of the words that name features.
    (
        "an unknown ro_compat feature",
        &["-t", "ext2"],
        Doubt::Bytes(1024 + 0x64 + 3, &[0x80]),
    ),
    (
        "an unknown incompat feature",
        &["-t", "ext2"],
        Doubt::Bytes(1024 + 0x60 + 3, &[0x80]),
    ),
    (
        "a partition table over ext4",
        &["-t", "ext4"],
        Doubt::Bytes(446, &TABLE),
    ),
    (
        "a partition table over ext2",
        &["-t", "ext2"],
        Doubt::Bytes(446, &TABLE),
    ),
];

/// A partition table of an MBR: one Linux partition of 14 MiB from sector
/// 2048, and the signature.
const TABLE: [u8; 66] = {
    let mut table = [0; 66];
    table[4] = 0x83;
    table[9] = 0x08;
    table[13] = 0x70;
    table[64] = 0x55;
    table[65] = 0xaa;
    table
};

pub(super) fn cases() -> Vec<Case> {
    let case = |(name, options, doubt), judge: fn(&Bench, &Files) -> io::Result<Verdict>| {
        Case::new(name, true, move |bench, folder| {
            let files = Files::new(folder);
            Make::new(16 * MIB, options, Fill::Half).make(bench, &files.source)?;
            cast(bench, &files.source, doubt)?;
            judge(bench, &files)
        })
    };
    let states = STATES.into_iter().map(|state| case(state, keeps_used));
    let doubts = DOUBTS.into_iter().map(|doubt| case(doubt, kept_whole));
    let mut cases: Vec<_> = states.chain(doubts).collect();
    cases.push(Case::new("a free count that disagrees", true, wrong_count));
    cases
}

fn cast(bench: &Bench, source: &Path, doubt: Doubt) -> io::Result<()> {
    match doubt {
        Doubt::Debugfs(command) => bench.tools.debugfs(source, &[command.into()]),
        Doubt::Bytes(offset, bytes) => {
            let disk = OpenOptions::new().write(true).open(source)?;
            disk.write_all_at(bytes, offset)
        }
    }
}

/// Used blocks that the bitmap calls free while the descriptor counts them.
fn wrong_count(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    let mut filesystem = ext::Filesystem::new(ext::Kind::Ext2);
    let bitmap = 3 * 1024;
    filesystem.put(bitmap + 1, &[0x07]);
    std::fs::write(&files.source, &filesystem.bytes)?;
    kept_whole(bench, &files)
}

/// Every used byte of the source is restored, and no other, and the program says
/// that it was not left clean.
fn keeps_used(bench: &Bench, files: &Files) -> io::Result<Verdict> {
    Ok(Verdict::of(bench.round_trip(files, &[])?, DONE_UNCLEAN))
}

/// Every byte of the source is restored, and the program says that it kept
/// more than it may have needed to.
fn kept_whole(bench: &Bench, files: &Files) -> io::Result<Verdict> {
    let packed = bench.program.pack(&[], &files.source, &files.image)?;
    let unpacked = bench.program.unpack(&[], &files.image, &files.restored)?;
    let verdict = Verdict::check(
        packed.code == Some(DONE_UNCLEAN) && unpacked.success(),
        format!("pack ended with {:?}: {}", packed.code, packed.brief(160)),
    );
    if !files.restored.exists() {
        return Ok(verdict);
    }
    let lost = compare(&files.source, &files.restored, None)?.lost;
    let whole = Verdict::check(lost == 0, format!("{lost} bytes were taken for free"));
    files.clear()?;
    let trip = Verdict::of(bench.round_trip(files, &[])?, DONE_UNCLEAN);
    Ok(verdict.and(whole).and(trip))
}
