//! What `qcow2 unpack` reports.

use std::fmt::{self, Display};
use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use super::facts::Facts;
use super::restore::Restored;
use crate::args::UnpackArgs;
use crate::failure::{Outcome, STDIN, STDOUT};
use crate::input::Spooled;
use crate::lost::LostReport;
use crate::output;
use crate::text::{Bytes, Foreign, name_of};

/// The report of a finished `unpack`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    command: &'static str,
    image: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Foreign>,
    disk_bytes: u64,
    written_bytes: u64,
    /// Bytes that were not zero and were made so, where only what differs is
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    zeroed_bytes: Option<u64>,
    /// Bytes whose blocks the disk shares with the image.
    shared_bytes: u64,
    /// The image was not closed properly; its data is good.
    dirty: bool,
    /// The disk's length is no multiple of 512, which not every program reads.
    odd_length: bool,
    in_place: bool,
    /// Only what the image holds was written.
    only_allocated: bool,
    /// Why the image is restored with `--salvage` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// What could not be read, with `--salvage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<LostReport>,
    /// Bytes of an image from a pipe that were kept in a temporary file, and where
    /// that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    spooled_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool_folder: Option<String>,
    pub(super) seconds: f64,
}

impl Report {
    pub(super) fn new(args: &UnpackArgs, facts: &Facts, restored: &Restored) -> Self {
        Self {
            schema: output::SCHEMA,
            command: "unpack",
            image: args.image.display().to_string(),
            target: args.target.display().to_string(),
            snapshot: (args.opening.snapshot)
                .as_ref()
                .map(|name| Foreign::new(name.as_bytes())),
            disk_bytes: facts.disk_bytes,
            written_bytes: restored.written_bytes,
            zeroed_bytes: restored.zeroed_bytes,
            shared_bytes: restored.shared_bytes,
            dirty: facts.dirty,
            odd_length: !facts.disk_bytes.is_multiple_of(512),
            in_place: args.is_in_place(),
            only_allocated: args.only_allocated,
            damage: facts.damage.clone(),
            lost: args.salvage.then(|| LostReport::new(&restored.lost)),
            spooled_bytes: None,
            spool_folder: None,
            seconds: 0.0,
        }
    }

    /// Tells what of the image was kept in a temporary file.
    pub(super) fn tell_spooled(&mut self, spooled: &Spooled) {
        self.spooled_bytes = Some(spooled.bytes);
        self.spool_folder = Some(spooled.folder.display().to_string());
    }

    /// What the command ends with.
    pub(super) fn outcome(&self) -> Outcome {
        if self.lost.as_ref().is_some_and(|lost| lost.bytes > 0) {
            Outcome::DoneWithLosses
        } else if self.damage.is_some() {
            Outcome::DoneWithNotes
        } else {
            Outcome::Done
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image    {}", name_of(&self.image, STDIN))?;
        if let (Some(bytes), Some(folder)) = (self.spooled_bytes, &self.spool_folder) {
            writeln!(f, "spooled  {} in {folder}, meanwhile", Bytes(bytes))?;
        }
        if let Some(name) = &self.snapshot {
            writeln!(f, "snapshot {name}")?;
        }
        if self.dirty {
            writeln!(
                f,
                "note     the image was not closed properly; its data is complete"
            )?;
        }
        if self.odd_length {
            writeln!(
                f,
                "note     the disk is no multiple of 512 bytes; it is restored to its last byte"
            )?;
        }
        if self.in_place {
            writeln!(f, "note     written in place, which is not atomic")?;
        }
        if let Some(damage) = &self.damage {
            writeln!(f, "damage   {damage}")?;
        }
        if let Some(lost) = &self.lost {
            write!(f, "{lost}")?;
        }
        if self.only_allocated {
            writeln!(f, "note     only what the image holds was written")?;
        }
        writeln!(
            f,
            "disk     {}: {} ({} bytes), {} of it written",
            name_of(&self.target, STDOUT),
            Bytes(self.disk_bytes),
            self.disk_bytes,
            Bytes(self.written_bytes),
        )?;
        if let Some(zeroed) = self.zeroed_bytes {
            writeln!(f, "zeroed   {}; the rest was there already", Bytes(zeroed))?;
        }
        if self.shared_bytes > 0 {
            let shared = Bytes(self.shared_bytes);
            writeln!(f, "shared   {shared} with the image, which are not copied")?;
        }
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}
