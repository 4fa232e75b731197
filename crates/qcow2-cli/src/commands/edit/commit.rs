//! `qcow2 commit`: what an overlay holds, written into its backing file.

use std::io;
use std::ops::Range;
use std::path::Path;

use blockio::{ReadAt, WriteAt, len_u64};
use hostdisk::{Disk, EditedFile, Stamp};
use qcow2_edit::{DiskWrite, Editor, Resize};
use qcow2_reader::{Image, Stored};

use super::backing::{self, Backing};
use super::edited::{failure, open, report};
use super::overlay;
use crate::args::CommitArgs;
use crate::failure::{Failure, Outcome};
use crate::text::Bytes;

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Writes the overlay into its backing file.
pub(crate) fn run(args: &CommitArgs) -> Result<Outcome, Failure> {
    let path = &args.edited.image;
    let editor = open(path)?;
    let header = editor.header().map_err(|error| failure(path, error))?;
    let size = header.exact_size().unwrap_or(header.size);
    if header.snapshot_count > 0 {
        let message = "it has snapshots, which would show what the backing file has then";
        return Err(Failure::because(path, message));
    }
    let (bytes, base) = match backing::of_image(path, &args.references)? {
        None => {
            let message = "it has no backing file to commit to";
            return Err(Failure::because(path, message));
        }
        Some(Backing::Raw(base)) => (write_raw(args, &base)?, base.path().to_path_buf()),
        Some(Backing::Image(image)) => {
            let base = base_file(&image, path)?.path().to_path_buf();
            (write_image(args, &base, size)?, base)
        }
    };
    let done = format!(
        "{} ({bytes} bytes) committed to {}",
        Bytes(bytes),
        base.display()
    );
    let changed = match args.keep {
        false => editor.empty(),
        true => Ok(editor.unchanged()),
    };
    report(&args.edited, "commit", done, changed)
}

/// The file of a backing file that is an image.
fn base_file<'i>(image: &'i Image<Disk>, path: &Path) -> Result<&'i Disk, Failure> {
    let missing = || Failure::because(path, "its backing file is not opened");
    image.files().first().ok_or_else(missing)
}

/// Opens `file`, which was in the state `stamp` before it was read, to change it. What was
/// read of it stays true: nobody else changes it from now on.
fn open_alone(file: &Disk, stamp: Stamp) -> Result<EditedFile, Failure> {
    let path = file.path();
    let alone = EditedFile::open(path)?;
    if alone.identity() != file.identity() || file.stamp()? != stamp {
        return Err(Failure::because(path, "it changed while it was read"));
    }
    Ok(alone)
}

/// What the overlay holds itself, and whether it reads as zeros.
fn held(image: &Image<Disk>) -> Result<Vec<(Range<u64>, bool)>, qcow2_reader::Error> {
    let mut held: Vec<(Range<u64>, bool)> = Vec::new();
    for entry in image.map(0..image.size()) {
        let entry = entry?;
        if entry.depth != Some(0) {
            continue;
        }
        let is_zero = matches!(entry.stored, Stored::Zero | Stored::Unallocated);
        match held.last_mut() {
            Some((last, zero)) if last.end == entry.guest.start && *zero == is_zero => {
                last.end = entry.guest.end;
            }
            _ => held.push((entry.guest, is_zero)),
        }
    }
    Ok(held)
}

/// Writes into a raw disk, and returns how much.
fn write_raw(args: &CommitArgs, base: &Disk) -> Result<u64, Failure> {
    let path = &args.edited.image;
    let stamp = base.stamp()?;
    let image = overlay::open(path, &args.references)?;
    let ranges = held(&image).map_err(|error| overlay::failure(path, &args.references, &error))?;
    let alone = open_alone(base, stamp)?;
    copy(&alone, &image, &ranges).map_err(|error| Failure::about(base.path(), &error))?;
    Ok(sum(&ranges))
}

fn copy(base: &EditedFile, image: &Image<Disk>, ranges: &[(Range<u64>, bool)]) -> io::Result<()> {
    if base.size() < image.size() {
        base.set_size(image.size())?;
    }
    let mut buffer = vec![0; PIECE_BYTES];
    for (range, is_zero) in ranges {
        let mut at = range.start;
        while at < range.end {
            let left = range.end.saturating_sub(at);
            let length = if *is_zero {
                left
            } else {
                left.min(len_u64(PIECE_BYTES))
            };
            if *is_zero {
                base.write_zeroes(at, length)?;
            } else {
                let part = usize::try_from(length).unwrap_or(PIECE_BYTES);
                let part = buffer.get_mut(..part).unwrap_or_default();
                image.read_at(at, part)?;
                base.write_at(at, part)?;
            }
            at = at.saturating_add(length);
        }
    }
    base.sync()
}

/// Writes into the qcow2 image at `base_path`, whose disk gets at least `size` bytes, and
/// returns how much.
fn write_image(args: &CommitArgs, base_path: &Path, size: u64) -> Result<u64, Failure> {
    let path = &args.edited.image;
    let stamp = Disk::open(base_path)?.stamp()?;
    // What is read of both stays where it is until the end.
    let above = overlay::open(path, &args.references)?;
    let Some(Backing::Image(below)) = backing::of_image(path, &args.references)? else {
        return Err(Failure::because(path, "its backing file was replaced"));
    };
    let ranges = held(&above).map_err(|error| overlay::failure(path, &args.references, &error))?;
    let alone = open_alone(base_file(&below, path)?, stamp)?;
    let base = Editor::open(alone).map_err(|error| failure(base_path, error))?;
    let disk = Joined {
        above: &above,
        below: &below,
    };
    // The first one is the backing file of the overlay.
    let mut references = args.references.clone();
    let files = &mut references.backing_files;
    *files = files.split_off(files.len().min(1));
    let lowest = match below.size() < size {
        true => backing::of_image(base_path, &references)?,
        false => None,
    };
    let mut wanted = DiskWrite::of(&disk);
    wanted.resize = (below.size() < size).then(|| {
        let mut resize = Resize::to(size);
        resize.backing = lowest.as_ref().map(Backing::disk);
        resize
    });
    let asked = ranges.iter().map(|(range, _)| Ok(range.clone()));
    let written = base.write(&wanted, asked);
    written.map_err(|error| failure(base_path, error))?;
    Ok(sum(&ranges))
}

fn sum(ranges: &[(Range<u64>, bool)]) -> u64 {
    let lengths = ranges
        .iter()
        .map(|(range, _)| range.end.saturating_sub(range.start));
    lengths.sum()
}

/// The disk of an overlay, and past its end that of its backing file.
struct Joined<'d> {
    above: &'d dyn ReadAt,
    below: &'d dyn ReadAt,
}

impl ReadAt for Joined<'_> {
    fn size(&self) -> u64 {
        self.above.size().max(self.below.size())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let above = self.above.size().saturating_sub(offset);
        let above = usize::try_from(above).unwrap_or(usize::MAX).min(buf.len());
        let (first, rest) = buf.split_at_mut(above);
        self.above.read_at(offset, first)?;
        match rest.is_empty() {
            true => Ok(()),
            false => self.below.read_at(offset.max(self.above.size()), rest),
        }
    }
}
