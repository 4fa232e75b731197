//! How much an image restores to, before anything is written.

use std::io::Stdin;
use std::path::Path;

use blockio::{Disk, ExtentKind, ReadAt, Spool, free_bytes};
use qcow2_reader::{Image, ImageStream};

use crate::args::UnpackArgs;
use crate::failure::{Failure, STDIN};
use crate::output::Bytes;

/// An image that restores to so much more than it is, and to so much, is worth a
/// word: a table or a cluster may stand for a whole disk.
const GROWTH: u64 = 100;
const GROWTH_BYTES_MIN: u64 = 1 << 30;

/// Refuses an image with more data than `--max-output` allows, and warns of it
/// where the target's filesystem has less room than that, or where it is out of all
/// proportion.
pub(super) fn check(args: &UnpackArgs, image: &Image<Disk>) -> Result<(), Failure> {
    if !is_of_interest(args) {
        return Ok(());
    }
    let mut data_bytes: u64 = 0;
    for extent in image.extents() {
        let extent = extent.map_err(|error| Failure::about(&args.image, &error))?;
        if extent.kind == ExtentKind::Data {
            data_bytes = data_bytes.saturating_add(extent.length);
        }
    }
    hold(args, &args.image, data_bytes)?;
    if args.run.quiet {
        return Ok(());
    }
    let sizes = image.files().iter().map(ReadAt::size);
    let stored_bytes = sizes.fold(0, u64::saturating_add);
    if data_bytes >= GROWTH_BYTES_MIN && data_bytes / GROWTH > stored_bytes {
        eprintln!(
            "qcow2: warning: {} of image restore to {} of data; --max-output bounds that",
            Bytes(stored_bytes),
            Bytes(data_bytes)
        );
    }
    Ok(())
}

/// The same for an image from a pipe, of unknown length.
pub(super) fn check_stream(
    args: &UnpackArgs,
    image: &ImageStream<Stdin, Spool>,
) -> Result<(), Failure> {
    if !is_of_interest(args) {
        return Ok(());
    }
    let name = Path::new(STDIN);
    let data_bytes = image.data_bytes();
    hold(
        args,
        name,
        data_bytes.map_err(|error| Failure::about(name, &error))?,
    )
}

fn is_of_interest(args: &UnpackArgs) -> bool {
    args.max_output.is_some() || !args.run.quiet
}

/// Refuses more data than is allowed, and warns of more than there is room for.
fn hold(args: &UnpackArgs, image: &Path, data_bytes: u64) -> Result<(), Failure> {
    if let Some(max) = args.max_output
        && data_bytes > max
    {
        let message =
            format!("it restores to {data_bytes} bytes of data, --max-output allows {max}");
        return Err(Failure::because(image, message));
    }
    if let Some(room) = room(args)
        && data_bytes > room
        && !args.run.quiet
    {
        eprintln!(
            "qcow2: warning: the disk has up to {} of data, and {} has {} free",
            Bytes(data_bytes),
            args.target.display(),
            Bytes(room)
        );
    }
    Ok(())
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
