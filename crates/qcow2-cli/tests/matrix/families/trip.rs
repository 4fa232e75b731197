//! One filesystem through the program and back, and what its own tools, the kernel
//! and a second reader say of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{Family, FsTools, Mount, SplitMix, Tool};

use super::fill::{MARK, SECTOR_BYTES, fill, marked_content, plant_plain};
use super::makes::Make;
use super::{Fill, Shape};
use crate::support::blocks::{unused, without};
use crate::support::mounts::cannot_mount;
use crate::support::round_trip::{Bench, DONE, Files};
use crate::support::tree::Tree;
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// What may be kept of the bytes that are free, in thousandths of those in use.
const KEPT_MILLI_MAX: u64 = 10;

/// Bytes written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Makes a filesystem, packs it, restores it, and compares everything.
pub(super) fn judge(
    bench: &Bench<FsTools>,
    folder: &Path,
    make: &Make,
    shape: &Shape,
) -> io::Result<Verdict> {
    let files = Files::new(folder);
    if shape.over_old_data {
        old_data(&files.source, make.size_mib * MIB)?;
    }
    let options: Vec<_> = make.mkfs.split_whitespace().collect();
    bench
        .tools
        .make(&files.source, make.size_mib * MIB, &options)?;
    let inside = match content(bench, folder, &files.source, make, shape)? {
        Ok(inside) => inside,
        Err(verdict) => return Ok(verdict),
    };
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
    verdict = verdict.and(agree(&free, &usage.free, make.size_mib * MIB));
    let marks = marks(&files.image)?;
    let text = format!("{marks} sectors of deleted files are in the image");
    verdict = verdict.and(Verdict::check(marks == 0, text));

    verdict = verdict.and(same_tree(bench, folder, &files.restored, &inside, make)?);
    // What was free may hold anything.
    garbage(&files.restored, &free)?;
    let before = bench.tools.check(&files.source)?;
    let after = bench.tools.check(&files.restored)?;
    let text = "the checker tells garbage in free blocks from zeros";
    verdict = verdict.and(Verdict::check(before == after, text));
    let again = same_tree(bench, folder, &files.restored, &inside, make)?;
    Ok(verdict.and(again))
}

/// Fills the new filesystem and gives all that is in it then; `None` if it cannot
/// be mounted at all, by any kernel of today.
fn content(
    bench: &Bench<FsTools>,
    folder: &Path,
    disk: &Path,
    make: &Make,
    shape: &Shape,
) -> io::Result<Result<Option<Tree>, Verdict>> {
    if make.mkfs.contains("crc=0") {
        return Ok(Ok(None));
    }
    if make.family == Family::Fat {
        copy_in(disk, folder, shape.fill)?;
    } else {
        let mount = match mount(bench, folder, disk, make.mount) {
            Ok(mount) => mount,
            Err(error) => return cannot_mount(&error.to_string()).map(Err),
        };
        fill(&mount.folder, make.family, shape.fill)?;
        mount.end()?;
    }
    tree(bench, folder, disk, make).map(|tree| Ok(Some(tree)))
}

fn mount(bench: &Bench<FsTools>, folder: &Path, disk: &Path, options: &str) -> io::Result<Mount> {
    bench.tools.mount(disk, &folder.join("mounted"), options)
}

/// All that is in `disk`. A scrub has to find nothing wrong, where there is one.
fn tree(bench: &Bench<FsTools>, folder: &Path, disk: &Path, make: &Make) -> io::Result<Tree> {
    if make.family == Family::Fat {
        return copied_out(disk);
    }
    let mount = mount(bench, folder, disk, "ro")?;
    let tree = Tree::read(&mount.folder, i64::MAX);
    if make.family == Family::Btrfs {
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
    inside: &Option<Tree>,
    make: &Make,
) -> io::Result<Verdict> {
    let Some(inside) = inside else {
        return Ok(Verdict::good());
    };
    Ok(match tree(bench, folder, disk, make) {
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

/// A disk full of bytes that look like those of deleted files, and others.
fn old_data(disk: &Path, size: u64) -> io::Result<()> {
    let file = File::create(disk)?;
    let mut random = SplitMix::new(7);
    let marked = marked_content(PIECE_BYTES / SECTOR_BYTES);
    let piece = u64::try_from(PIECE_BYTES).map_err(io::Error::other)?;
    for number in 0..size / piece {
        if number % 2 == 0 {
            file.write_all_at(&random.bytes(PIECE_BYTES), number * piece)?;
        } else {
            // Not what is looked for: it may stay in the last sectors of files.
            let other: Vec<_> = marked.iter().map(|byte| byte ^ 0x20).collect();
            file.write_all_at(&other, number * piece)?;
        }
    }
    Ok(())
}

/// How many sectors of `file` are those of deleted files.
fn marks(file: &Path) -> io::Result<usize> {
    let mut file = File::open(file)?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut found = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            return Ok(found);
        }
        let sectors = buffer[..filled].chunks(SECTOR_BYTES);
        found += sectors.filter(|sector| sector.starts_with(MARK)).count();
    }
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

/// Copies files into a FAT, and deletes some.
fn copy_in(disk: &Path, folder: &Path, fill: Fill) -> io::Result<()> {
    if fill == Fill::Empty {
        return Ok(());
    }
    let planted = folder.join("planted");
    plant_plain(&planted)?;
    let marked = folder.join("MARKED");
    fs::write(&marked, marked_content(1500))?;
    let copy = |from: &Path| mtool("mcopy", disk, &["-s".as_ref(), from, "::".as_ref()]);
    copy(&marked)?;
    copy(&planted)?;
    if fill == Fill::Full {
        let large = folder.join("END");
        // Until there is no room: what was copied up to there stays.
        for number in 0..40 {
            fs::write(&large, SplitMix::new(number).bytes(PIECE_BYTES))?;
            let name = format!("::end{number}");
            if mtool("mcopy", disk, &[&large, name.as_ref()]).is_err() {
                break;
            }
        }
    }
    mtool("mdel", disk, &["::MARKED".as_ref()])
}

/// All that is in a FAT, copied out of it.
fn copied_out(disk: &Path) -> io::Result<Tree> {
    let folder = tempfile::tempdir()?;
    mtool(
        "mcopy",
        disk,
        &["-s".as_ref(), "-m".as_ref(), "::".as_ref(), folder.path()],
    )?;
    Ok(Tree::read(folder.path(), i64::MAX))
}

/// Runs a program of mtools, which has to end well.
fn mtool(name: &str, disk: &Path, words: &[&Path]) -> io::Result<()> {
    let missing = || io::Error::other(format!("{name} is not installed"));
    let tool = Tool::find(name).ok_or_else(missing)?;
    tool.ok(|command| {
        let command = command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(disk);
        command.args(words)
    })?;
    Ok(())
}

/// Whether garbage and marks are where they should be.
pub(super) fn check() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), [vec![0; 1024], marked_content(3)].concat()).unwrap();
    assert_eq!(marks(file.path()).unwrap(), 3);
    garbage(file.path(), &[512..600, 1024..1025]).unwrap();
    assert_eq!(marks(file.path()).unwrap(), 2);
    let bytes = fs::read(file.path()).unwrap();
    assert_eq!(
        (bytes[511], bytes[512], bytes[599], bytes[600]),
        (0, 0xf5, 0xf5, 0)
    );
    assert!(agree(&[0..10], &[0..12], 1_000_000).is_well());
    assert!(!agree(&[0..13], &[0..12], 1_000_000).is_well());
    assert!(!agree(&[], &[0..900_000], 1_000_000).is_well());
}
