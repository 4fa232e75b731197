//! How much an image restores to, before anything is written.

use std::io::Read;
use std::path::Path;

use blockio::ReadAt;
use hostdisk::{Disk, Spool, free_bytes};
use qcow2_reader::{Error, Image, ImageStream};

use super::blame::{of_image, too_much};
use crate::args::UnpackArgs;
use crate::failure::Failure;
use crate::output;
use crate::text::Bytes;

/// An image that restores to so much more than it is, and to so much, is worth a
/// word: a table or a cluster may stand for a whole disk.
const GROWTH: u64 = 100;
const GROWTH_BYTES_MIN: u64 = 1 << 30;

/// Refuses an image with more data than `--max-output` allows, and warns of it
/// where the target's filesystem has less room than that, or where it is out of all
/// proportion.
/// `known` is the most that it can be, where that is known already.
pub(super) fn check(
    args: &UnpackArgs,
    image: &Image<Disk>,
    known: Option<u64>,
) -> Result<(), Failure> {
    let sizes = image.files().iter().map(ReadAt::size);
    let stored_bytes = sizes.fold(0, u64::saturating_add);
    let growth_bytes = stored_bytes.saturating_mul(GROWTH).max(GROWTH_BYTES_MIN);
    if known.is_some_and(|known| known < growth_bytes && is_within(args, known)) {
        return Ok(());
    }
    let data_bytes = check_data(args, args.image_name(), growth_bytes, |most| {
        image.data_bytes(most)
    })?;
    if data_bytes >= growth_bytes && !args.run.quiet {
        output::complain(format_args!(
            "warning: {} of image restore to {} of data or more; --max-output bounds that",
            Bytes(stored_bytes),
            Bytes(data_bytes)
        ));
    }
    Ok(())
}

/// The same for an image from a pipe, of unknown length, whose tables are here.
pub(super) fn check_stream(
    args: &UnpackArgs,
    image: &ImageStream<Box<dyn Read + Send>, &Spool>,
) -> Result<(), Failure> {
    let count = |_| Ok(image.data_bytes().unwrap_or(0));
    check_data(args, args.image_name(), 0, count).map(drop)
}

/// Whether so many bytes of data are neither refused nor worth a warning.
fn is_within(args: &UnpackArgs, data_bytes: u64) -> bool {
    let room = room(args).filter(|_| !args.run.quiet);
    args.max_output.is_none_or(|max| data_bytes <= max)
        && room.is_none_or(|room| data_bytes <= room)
}

/// Refuses more data than is allowed, and warns of more than there is room for.
/// `count` counts it, up to as much as is asked for; that is `most` bytes at least
/// where nothing is refused.
fn check_data(
    args: &UnpackArgs,
    image: &Path,
    most: u64,
    count: impl Fn(u64) -> Result<u64, Error>,
) -> Result<u64, Failure> {
    let room = room(args).filter(|_| !args.run.quiet);
    let most = match (args.max_output, args.run.quiet) {
        (None, true) => return Ok(0),
        (Some(max), _) => max,
        (None, false) => room.unwrap_or(0).max(most),
    };
    let data_bytes = count(most).map_err(|error| of_image(args, &error))?;
    if args.max_output.is_some_and(|max| data_bytes > max) {
        return Err(Failure::because(image, too_much(most)));
    }
    if let Some(room) = room.filter(|room| data_bytes > *room) {
        output::complain(format_args!(
            "warning: the disk has {} of data or more, and {} has {} free",
            Bytes(data_bytes),
            args.target.display(),
            Bytes(room)
        ));
    }
    Ok(data_bytes)
}

/// Bytes free where a new file is to be, if that is what is written.
fn room(args: &UnpackArgs) -> Option<u64> {
    if args.to_stdout() || args.is_in_place() {
        return None;
    }
    if let Ok(existing) = std::fs::metadata(&args.target)
        && !existing.is_file()
    {
        return None;
    }
    let folder = match args.target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    free_bytes(folder).ok()
}
