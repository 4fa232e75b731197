//! The report of `punch`.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::failure::Outcome;
use crate::output::filesystem::FilesystemReport;
use crate::output::layout::LayoutReport;
use crate::text::Bytes;

/// The report of a finished `punch`, or of one that only looked.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) schema: u32,
    pub(super) command: &'static str,
    pub(super) source: String,
    /// Nothing was changed: the numbers are those of what would be.
    pub(super) dry_run: bool,
    /// What is kept: `used` or `all`.
    pub(super) content: &'static str,
    /// What proves that blocks are free.
    pub(super) evidence: Option<&'static str>,
    /// Why nothing was given back for being free.
    pub(super) nothing_free: Option<String>,
    /// On the whole disk, or in the one partition.
    pub(super) filesystem: Option<FilesystemReport>,
    /// The partitions, if the disk has a partition table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layout: Option<LayoutReport>,
    /// The number of the only partition that was punched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<u32>,
    pub(super) notes: Vec<String>,
    /// The first findings of damage.
    pub(super) damage: Vec<String>,
    /// How much damage there is, listed or not.
    pub(super) damage_count: u64,
    pub(super) disk_bytes: u64,
    /// Bytes that pack would leave out for being free.
    pub(super) free_bytes: u64,
    /// Those of them that were given back, in whole units of the storage.
    pub(super) punched_bytes: u64,
    /// Bytes in use that held zeros and were given back, in whole units.
    pub(super) zero_bytes: u64,
    #[serde(skip)]
    pub(super) looked_for_zeros: bool,
    /// How many ranges were given back.
    pub(super) ranges: u64,
    /// The unit in bytes that the storage gives back.
    pub(super) unit_bytes: u64,
    /// How: `hole`, `zeroed` or `discard`.
    pub(super) method: &'static str,
    /// What a file took of its file system before, and takes now.
    pub(super) allocated_before_bytes: Option<u64>,
    pub(super) allocated_after_bytes: Option<u64>,
    /// What the storage got back: of a device all that was given, though it may have held
    /// less; of a dry run what the storage holds there.
    pub(super) given_back_bytes: u64,
    pub(super) verified: bool,
    pub(super) seconds: f64,
}

impl Report {
    /// How the command ended.
    pub(super) fn outcome(&self) -> Outcome {
        if self.nothing_free.is_some() || self.damage_count > 0 || !self.notes.is_empty() {
            Outcome::DoneWithNotes
        } else {
            Outcome::Done
        }
    }

    fn fmt_source(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source   {}: {}", self.source, Bytes(self.disk_bytes))?;
        match (&self.layout, &self.filesystem) {
            (Some(layout), _) => write!(f, ", {}\n{layout}", layout.summary())?,
            (None, Some(filesystem)) => writeln!(f, ", {filesystem}")?,
            (None, None) => writeln!(f)?,
        }
        if let Some(number) = self.partition {
            writeln!(
                f,
                "only     partition {number}: all others stay as they are"
            )?;
        }
        if let Some(why) = &self.nothing_free {
            writeln!(f, "note     no free block is given back: {why}")?;
        }
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        for damage in &self.damage {
            writeln!(f, "damage   {damage}")?;
        }
        let listed = u64::try_from(self.damage.len()).unwrap_or(u64::MAX);
        match self.damage_count.saturating_sub(listed) {
            0 => Ok(()),
            more => writeln!(f, "damage   and {more} more"),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_source(f)?;
        writeln!(f, "free     {}", Bytes(self.free_bytes))?;
        if self.looked_for_zeros {
            writeln!(f, "zeros    {} in use hold zeros", Bytes(self.zero_bytes))?;
        }
        let punched = Bytes(self.punched_bytes.saturating_add(self.zero_bytes));
        let (ranges, given_back) = (self.ranges, Bytes(self.given_back_bytes));
        if self.dry_run {
            writeln!(
                f,
                "would    punch {punched} in {ranges} ranges and give back {given_back}; nothing was changed"
            )?;
        } else {
            writeln!(f, "punched  {punched} in {ranges} ranges")?;
        }
        if let (Some(before), Some(after)) =
            (self.allocated_before_bytes, self.allocated_after_bytes)
        {
            writeln!(
                f,
                "storage  {} before, {} now: {given_back} given back",
                Bytes(before),
                Bytes(after)
            )?;
        }
        if self.verified {
            writeln!(f, "verified every byte that is kept is what it was")?;
        }
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}
