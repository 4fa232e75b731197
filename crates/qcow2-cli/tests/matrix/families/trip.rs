//! A filesystem made, filled, and through the program and back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{Family, FsTools, SplitMix};

use super::fill::{MARK, SECTOR_BYTES, fill, marked_content, plant_plain};
use super::makes::Make;
use super::{Fill, Shape};
use crate::support::mounts::cannot_mount;
use crate::support::round_trip::{Bench, Files};
use crate::support::tree::Tree;
use crate::support::verdict::Verdict;
use crate::support::whole::{self, mount, mtool};

const MIB: u64 = 1 << 20;

/// Bytes written and read at a time.
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
    let size = make.size_mib * MIB;
    bench.tools.make(&files.source, size, &options)?;
    let inside = match content(bench, folder, &files.source, make, shape)? {
        Ok(inside) => inside,
        Err(verdict) => return Ok(verdict),
    };
    let verdict = whole::judge(bench, folder, inside.as_ref())?;
    if !files.image.exists() {
        return Ok(verdict);
    }
    let marks = marks(&files.image)?;
    let text = format!("{marks} sectors of deleted files are in the image");
    Ok(verdict.and(Verdict::check(marks == 0, text)))
}

/// Fills the new filesystem and gives all that is in it then; `None` if no kernel of
/// today mounts it.
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
    whole::tree(bench, folder, disk).map(|tree| Ok(Some(tree)))
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

/// Whether marks are found.
pub(super) fn check() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), [vec![0; 1024], marked_content(3)].concat()).unwrap();
    assert_eq!(marks(file.path()).unwrap(), 3);
}
