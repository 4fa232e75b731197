//! Disks with something in an unusual place, targets that are not empty, and
//! disks near the limits of the format.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{SplitMix, compare};

use super::case::Case;
use super::makes::healthy;
use super::source::{Fill, Make, usage};
use crate::support::round_trip::{Bench, DONE, Files};
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a last byte that is not zero", true, last_byte),
        Case::new("old random data, no discard", true, old_data),
        Case::new("unpack over another disk", true, over_another_disk),
        Case::new("9 TiB", true, nine_tib),
        Case::new("9 TiB, cluster size too small", true, too_small_clusters),
    ]
}

/// Bytes behind the end of the filesystem, to the last one of the disk.
fn last_byte(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    Make::new(8 * MIB, &["-t", "ext4"], Fill::Half).make(bench, &files.source)?;
    let source = OpenOptions::new().write(true).open(&files.source)?;
    source.write_all_at(&SplitMix::new(5).bytes(2560), 8 * MIB)?;
    let mut verdict = Verdict::Ran(vec![]);
    for compat in ["1.1", "0.10"] {
        files.clear()?;
        let arguments = ["--compat", compat];
        let report = bench.round_trip(&files, &arguments)?;
        verdict = verdict.and(Verdict::of(report, DONE));
    }
    Ok(verdict)
}

/// A filesystem made over a disk full of random bytes stores its live blocks.
fn old_data(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    let size = usize::try_from(64 * MIB).map_err(io::Error::other)?;
    fs::write(&files.source, SplitMix::new(6).bytes(size))?;
    let options = ["-t", "ext4", "-E", "nodiscard,lazy_itable_init=1"];
    Make::new(64 * MIB, &options, Fill::Half).make(bench, &files.source)?;
    let used = 64 * MIB - usage(bench, &files.source)?.free_bytes();
    let verdict = healthy(bench, &files, &[])?;
    // Each run of used blocks may cost a cluster more than it fills.
    let most = used + 4 * MIB;
    let length = files.image.metadata()?.len();
    let text = format!("{length} bytes of image for {used} bytes in use");
    Ok(verdict.and(Verdict::check(length <= most, text)))
}

/// The holes of an image clear what an existing target holds there.
fn over_another_disk(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    Make::new(16 * MIB, &["-t", "ext4"], Fill::Half).make(bench, &files.source)?;
    let packed = bench.program.pack(&[], &files.source, &files.image)?;
    let mut verdict = Verdict::check(packed.success(), packed.brief(160));
    let usage = usage(bench, &files.source)?;
    // Longer than the disk, shorter, and as long.
    for (argument, length) in [
        ("--force", 20 * MIB),
        ("--force", 9 * MIB),
        ("--in-place", 16 * MIB),
        ("--in-place", 9 * MIB),
        ("--in-place", 20 * MIB),
    ] {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        fs::write(&files.restored, vec![0xff; length])?;
        let unpacked = bench
            .program
            .unpack(&[argument], &files.image, &files.restored)?;
        let difference = compare(&files.source, &files.restored, Some(&usage))?;
        let left = difference.lost + difference.foreign + difference.stale;
        let size = files.restored.metadata()?.len();
        let text = format!(
            "unpack {argument} over {length} bytes: {:?} {}, {left} bytes wrong, {size} long",
            unpacked.code,
            unpacked.brief(100)
        );
        let good = unpacked.success() && left == 0 && size == 16 * MIB;
        verdict = verdict.and(Verdict::check(good, text));
    }
    Ok(verdict)
}

/// An ext4 of 9 TiB: more than 4 KiB clusters can map.
fn make_nine_tib(bench: &Bench, source: &Path) -> io::Result<()> {
    let options = ["-t", "ext4", "-i", "16777216", "-O", "^resize_inode"];
    let lazy = ["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];
    let make = Make::new(9 << 40, &[&options[..], &lazy].concat(), Fill::Empty);
    make.make(bench, source)?;
    let content = tempfile::NamedTempFile::new()?;
    fs::write(content.path(), SplitMix::new(9).bytes(3_000_000))?;
    let write = format!("write {} file", content.path().display());
    bench.tools.debugfs(source, &[write])
}

fn nine_tib(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    if !can_be_long(&files.source, 9 << 40) {
        return Ok(Verdict::Skipped("files here cannot be 9 TiB long".into()));
    }
    make_nine_tib(bench, &files.source)?;
    Ok(Verdict::of(bench.round_trip(&files, &[])?, DONE))
}

/// The refusal names the cluster size that would do.
fn too_small_clusters(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    if !can_be_long(&files.source, 9 << 40) {
        return Ok(Verdict::Skipped("files here cannot be 9 TiB long".into()));
    }
    make_nine_tib(bench, &files.source)?;
    let arguments = ["--cluster-size", "4K"];
    let packed = bench
        .program
        .pack(&arguments, &files.source, &files.image)?;
    let named = ["8192", "8 KiB", "8K"]
        .iter()
        .any(|name| packed.stderr.contains(name));
    let refused = packed.code == Some(1) || packed.code == Some(2);
    let text = format!("{:?}: {}", packed.code, packed.brief(200));
    let left = Verdict::check(!files.image.exists(), "an image was left");
    Ok(Verdict::check(refused && named, text).and(left))
}

/// Whether the file `path` can have `length` bytes.
fn can_be_long(path: &Path, length: u64) -> bool {
    File::create(path).is_ok_and(|file| file.set_len(length).is_ok())
}
