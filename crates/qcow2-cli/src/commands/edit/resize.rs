//! `qcow2 resize`: the size of the disk in an image.

use qcow2_edit::Resize;

use super::backing;
use super::edited::{failure, open, report};
use crate::args::ResizeArgs;
use crate::failure::{Failure, Outcome};
use crate::text::Bytes;

/// Changes the size.
pub(crate) fn run(args: &ResizeArgs) -> Result<Outcome, Failure> {
    let path = &args.edited.image;
    let editor = open(path)?;
    let header = editor.header().map_err(|error| failure(path, error))?;
    let before = header.exact_size().unwrap_or(header.size);
    let size = args.size.apply(before).ok_or_else(|| {
        let message = format!("the disk has {before} bytes, and the change makes no size of that");
        Failure::because(path, message)
    })?;
    let backing = match size > before && header.backing_name.is_some() {
        true => backing::of_image(path, &args.references)?,
        false => None,
    };
    let mut wanted = Resize::to(size);
    wanted.shrink = args.shrink;
    wanted.backing = backing.as_ref().map(backing::Backing::disk);
    let changed = editor.resize(&wanted);
    let done = format!(
        "the disk has {} ({size} bytes), before {} ({before} bytes)",
        Bytes(size),
        Bytes(before)
    );
    report(&args.edited, "resize", done, changed)
}
