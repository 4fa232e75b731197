//! `qcow2 snapshot`: the internal snapshots of an image.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use qcow2_edit::NewSnapshot;
use qcow2_reader::{read_header, read_snapshots};
use serde::Serialize;

use super::super::info::SnapshotFacts;
use super::edited::{failure, open, open_to_read, report};
use crate::args::{OutputFormat, SnapshotAction, SnapshotArgs};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::escaped;

/// Lists or changes the snapshots.
pub(crate) fn run(args: &SnapshotArgs) -> Result<Outcome, Failure> {
    match &args.action {
        SnapshotAction::List { image, output } => list(image, output.output),
        SnapshotAction::Create { edited, name } => {
            let changed = open(&edited.image)?.create_snapshot(&named(name));
            let done = format!("took the snapshot \"{}\"", shown(name));
            report(edited, "snapshot create", done, changed)
        }
        SnapshotAction::Apply { edited, snapshot } => {
            let changed = open(&edited.image)?.apply_snapshot(snapshot.as_bytes());
            let done = format!("applied the snapshot \"{}\"", shown(snapshot));
            report(edited, "snapshot apply", done, changed)
        }
        SnapshotAction::Delete { edited, snapshot } => {
            let changed = open(&edited.image)?.delete_snapshot(snapshot.as_bytes());
            let done = format!("deleted the snapshot \"{}\"", shown(snapshot));
            report(edited, "snapshot delete", done, changed)
        }
    }
}

/// A snapshot of now.
fn named(name: &OsStr) -> NewSnapshot {
    let mut snapshot = NewSnapshot::named(name.as_bytes());
    if let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        snapshot.date_seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        snapshot.date_nanoseconds = now.subsec_nanos();
    }
    snapshot
}

fn shown(text: &OsStr) -> String {
    escaped(text.as_bytes())
}

/// The snapshots of an image, under qemu-img's names.
#[derive(Debug, Serialize)]
struct List {
    schema: u32,
    command: &'static str,
    image: String,
    snapshots: Vec<SnapshotFacts>,
}

fn list(image: &Path, format: OutputFormat) -> Result<Outcome, Failure> {
    let disk = open_to_read(image)?;
    let snapshots = read_header(&disk).and_then(|header| read_snapshots(&disk, &header));
    let snapshots = snapshots.map_err(|error| failure(image, error.into()))?;
    let list = List {
        schema: output::SCHEMA,
        command: "snapshot list",
        image: image.display().to_string(),
        snapshots: snapshots.iter().map(SnapshotFacts::new).collect(),
    };
    output::print(&list, format)?;
    Ok(Outcome::Done)
}

impl Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.snapshots.is_empty() {
            return writeln!(f, "no snapshots");
        }
        self.snapshots
            .iter()
            .try_for_each(|snapshot| writeln!(f, "{snapshot}"))
    }
}
