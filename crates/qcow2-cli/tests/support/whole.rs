//! A filesystem of a family other than ext through the program and back, and what
//! its own tools, the kernel and a second reader say of it.

use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{Family, FsTools, Mount, Tool};

use super::blocks::{unused, without};
use super::round_trip::{Bench, DONE, Files};
use super::tree::Tree;
use super::verdict::Verdict;

/// What may be kept of the bytes that are free, in thousandths of those in use.
const KEPT_MILLI_MAX: u64 = 10;

/// Bytes written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Packs the source, restores it, and compares everything; `inside` is all that is
/// in it, if it can be mounted. The files stay.
pub(crate) fn judge(
    bench: &Bench<FsTools>,
    folder: &Path,
    inside: Option<&Tree>,
) -> io::Result<Verdict> {
    let files = Files::new(folder);
    let usage = bench.tools.usage(&files.source)?;
    let usage = usage.ok_or_else(|| io::Error::other("the second reader cannot read it"))?;
    let report = bench.round_trip(&files, &["--cluster-size", "4K"])?;
    let code = report.code;
    let sound = Verdict::check(report.sound, "the source is not sound");
    let ended = Verdict::check(code == Some(DONE), format!("pack ended with {code:?}"));
    let mut verdict = Verdict::Ran(report.problems).and(sound).and(ended);
    if !files.restored.exists() {
        return Ok(verdict);
    }
    let free = unused(&bench.program, &files.source)?;
    let size = files.source.metadata()?.len();
    verdict = verdict.and(agree(&free, &usage.free, size));
    verdict = verdict.and(same_tree(bench, folder, &files.restored, inside)?);
    // What was free may hold anything.
    garbage(&files.restored, &free)?;
    let before = bench.tools.check(&files.source)?;
    let after = bench.tools.check(&files.restored)?;
    let text = "the checker tells garbage in free blocks from zeros";
    verdict = verdict.and(Verdict::check(before == after, text));
    let again = same_tree(bench, folder, &files.restored, inside)?;
    Ok(verdict.and(again))
}

/// Mounts `disk` below `folder`.
pub(crate) fn mount(
    bench: &Bench<FsTools>,
    folder: &Path,
    disk: &Path,
    options: &str,
) -> io::Result<Mount> {
    bench.tools.mount(disk, &folder.join("mounted"), options)
}

/// All that is in `disk`. A scrub has to find nothing wrong, if there is one.
pub(crate) fn tree(bench: &Bench<FsTools>, folder: &Path, disk: &Path) -> io::Result<Tree> {
    if bench.tools.family == Family::Fat {
        return copied_out(disk);
    }
    let mount = mount(bench, folder, disk, "ro")?;
    let tree = Tree::read(&mount.folder, i64::MAX);
    if bench.tools.family == Family::Btrfs {
        let btrfs = Tool::find("btrfs").ok_or_else(|| io::Error::other("there is no btrfs"))?;
        btrfs.ok(|command| {
            command
                .args(["scrub", "start", "-B", "-r"])
                .arg(&mount.folder)
        })?;
    }
    mount.end()?;
    Ok(tree)
}

/// Whether `disk` holds `inside`.
fn same_tree(
    bench: &Bench<FsTools>,
    folder: &Path,
    disk: &Path,
    inside: Option<&Tree>,
) -> io::Result<Verdict> {
    let Some(inside) = inside else {
        return Ok(Verdict::good());
    };
    Ok(match tree(bench, folder, disk) {
        Ok(tree) => inside
            .difference(&tree)
            .map_or_else(Verdict::good, Verdict::wrong),
        Err(error) => Verdict::wrong(error.to_string()),
    })
}

/// What the program calls free is free by the second reader, and little more is.
fn agree(ours: &[Range<u64>], theirs: &[Range<u64>], size: u64) -> Verdict {
    let lost = without(ours, theirs);
    let text = format!("{lost} bytes are called free that are in use");
    let lost = Verdict::check(lost == 0, text);
    let free: u64 = theirs.iter().map(|range| range.end - range.start).sum();
    let used = size.saturating_sub(free);
    let kept = without(theirs, ours);
    let text = format!("{kept} free bytes are called used, {used} are in use");
    lost.and(Verdict::check(kept <= used / 1000 * KEPT_MILLI_MAX, text))
}

/// Puts bytes into `disk` that nobody would take for zeros.
fn garbage(disk: &Path, ranges: &[Range<u64>]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(disk)?;
    let piece = vec![0xf5; PIECE_BYTES];
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let part = &piece[..left.min(PIECE_BYTES)];
            file.write_all_at(part, at)?;
            at += u64::try_from(part.len()).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// All that is in a FAT, copied out of it.
fn copied_out(disk: &Path) -> io::Result<Tree> {
    let folder = tempfile::tempdir()?;
    let words: [&Path; 4] = ["-s".as_ref(), "-m".as_ref(), "::".as_ref(), folder.path()];
    mtool("mcopy", disk, &words)?;
    Ok(Tree::read(folder.path(), i64::MAX))
}

/// Runs a program of mtools, which has to end well.
pub(crate) fn mtool(name: &str, disk: &Path, words: &[&Path]) -> io::Result<()> {
    let missing = || io::Error::other(format!("{name} is not installed"));
    let tool = Tool::find(name).ok_or_else(missing)?;
    tool.ok(|command| {
        let command = command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(disk);
        command.args(words)
    })?;
    Ok(())
}

/// Whether garbage is where it should be, and differences are seen.
#[allow(clippy::single_range_in_vec_init, reason = "a range of bytes")]
pub(crate) fn check() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0; 2048]).unwrap();
    garbage(file.path(), &[512..600, 1024..1025]).unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let found = [511, 512, 599, 600, 1023, 1024, 1025].map(|at| bytes[at]);
    assert_eq!(found, [0, 0xf5, 0xf5, 0, 0, 0xf5, 0]);
    assert!(agree(&[0..10], &[0..12], 1_000_000).is_well());
    assert!(!agree(&[0..13], &[0..12], 1_000_000).is_well());
    assert!(!agree(&[], &[0..900_000], 1_000_000).is_well());
}
