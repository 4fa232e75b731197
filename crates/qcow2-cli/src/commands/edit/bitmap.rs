//! `qcow2 bitmap`: the persistent dirty bitmaps of an image.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hostdisk::EditedFile;
use qcow2_edit::{Changed, Editor, Error, NewBitmap};
use qcow2_reader::{read_bitmaps, read_header};
use serde::Serialize;

use super::super::info::BitmapFacts;
use super::edited::{failure, open, open_to_read, report};
use crate::args::{BitmapAction, BitmapArgs, BitmapName, OutputFormat};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::escaped;

/// Lists or changes the bitmaps.
pub(crate) fn run(args: &BitmapArgs) -> Result<Outcome, Failure> {
    match &args.action {
        BitmapAction::List { image, output } => list(image, output.output),
        BitmapAction::Add {
            bitmap,
            granularity,
            disabled,
        } => change(bitmap, "bitmap add", "added", |editor, name| {
            let mut wanted = NewBitmap::named(name);
            wanted.granularity_bytes = *granularity;
            wanted.enabled = !disabled;
            editor.add_bitmap(&wanted)
        }),
        BitmapAction::Remove(bitmap) => {
            change(bitmap, "bitmap remove", "removed", |editor, name| {
                editor.remove_bitmap(name)
            })
        }
        BitmapAction::Clear(bitmap) => change(bitmap, "bitmap clear", "cleared", |editor, name| {
            editor.clear_bitmap(name)
        }),
        BitmapAction::Enable(bitmap) => {
            change(bitmap, "bitmap enable", "enabled", |editor, name| {
                editor.enable_bitmap(name, true)
            })
        }
        BitmapAction::Disable(bitmap) => {
            change(bitmap, "bitmap disable", "disabled", |editor, name| {
                editor.enable_bitmap(name, false)
            })
        }
        BitmapAction::Merge { bitmap, source } => change(
            bitmap,
            "bitmap merge",
            "merged another into",
            |editor, name| editor.merge_bitmap(name, source.as_bytes()),
        ),
    }
}

/// Changes a bitmap, and says what was `done` to it.
fn change(
    bitmap: &BitmapName,
    command: &'static str,
    done: &str,
    change: impl FnOnce(&Editor<EditedFile>, &[u8]) -> Result<Changed, Error>,
) -> Result<Outcome, Failure> {
    let name: &OsStr = &bitmap.name;
    let editor = open(&bitmap.edited.image)?;
    let changed = change(&editor, name.as_bytes());
    let done = format!("{done} the bitmap \"{}\"", escaped(name.as_bytes()));
    report(&bitmap.edited, command, done, changed)
}

/// The bitmaps of an image, under qemu-img's names.
#[derive(Debug, Serialize)]
struct List {
    schema: u32,
    command: &'static str,
    image: String,
    bitmaps: Vec<BitmapFacts>,
}

fn list(image: &Path, format: OutputFormat) -> Result<Outcome, Failure> {
    let disk = open_to_read(image)?;
    let bitmaps = read_header(&disk).and_then(|header| read_bitmaps(&disk, &header));
    let bitmaps = bitmaps.map_err(|error| failure(image, error.into()))?;
    let list = List {
        schema: output::SCHEMA,
        command: "bitmap list",
        image: image.display().to_string(),
        bitmaps: bitmaps.iter().map(BitmapFacts::new).collect(),
    };
    output::print(&list, format)?;
    Ok(Outcome::Done)
}

impl Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bitmaps.is_empty() {
            return writeln!(f, "no bitmaps");
        }
        self.bitmaps
            .iter()
            .try_for_each(|bitmap| writeln!(f, "{bitmap}"))
    }
}
