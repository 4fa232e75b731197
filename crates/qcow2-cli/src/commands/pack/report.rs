//! What `pack` says when it is done.

use std::fmt::{self, Display};

use serde::Serialize;

use super::base_report::BaseReport;
use super::scrambled::ScrambledReport;
use crate::failure::Outcome;
use crate::lost::LostReport;
use crate::output::filesystem::FilesystemReport;
use crate::output::layout::LayoutReport;
use crate::output::volumes::PhysicalReport;
use crate::source::ImageReport;
use crate::text::Bytes;

/// The report of a finished `pack`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) command: &'static str,
    pub(crate) source: String,
    /// The format that the source is read as: `raw` or `qcow2`.
    pub(crate) source_format: &'static str,
    /// What the source is, if it is an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_image: Option<ImageReport>,
    pub(crate) image: String,
    #[serde(skip)]
    pub(crate) asked_for_all: bool,
    /// What was stored: `used`, `metadata` or `all`.
    pub(crate) content: &'static str,
    /// What proves that blocks are free, where some are left out.
    pub(crate) evidence: Option<&'static str>,
    /// Used bytes were left out because that was asked for.
    #[serde(skip)]
    pub(crate) dropped: bool,
    /// Why everything was stored although less was asked for.
    pub(crate) kept_whole: Option<String>,
    /// Offset of a copy of an ext superblock on a disk that has no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_superblock: Option<u64>,
    pub(crate) filesystem: Option<FilesystemReport>,
    /// What is there instead of a filesystem that is looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_disk: Option<&'static str>,
    /// The partitions, if the disk has a partition table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layout: Option<LayoutReport>,
    /// The volumes on the disk, if it is a physical volume of LVM2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) physical_volume: Option<PhysicalReport>,
    /// Where the filesystem is mounted, if it was frozen while it was read.
    pub(crate) frozen: Option<String>,
    /// Whether the filesystem is as it is once its journal was replayed.
    pub(crate) recovered: bool,
    /// What was done to names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scrambled: Option<ScrambledReport>,
    /// What else is worth knowing of the source.
    pub(crate) notes: Vec<String>,
    /// What an option would do about something that is no fault of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<&'static str>,
    pub(crate) disk_bytes: u64,
    pub(crate) used_bytes: u64,
    pub(crate) stored_bytes: u64,
    /// Bytes of the disk whose blocks the image shares.
    pub(crate) shared_bytes: u64,
    pub(crate) image_bytes: u64,
    pub(crate) cluster_size: u64,
    pub(crate) compat: &'static str,
    pub(crate) refcount_bits: u32,
    pub(crate) compression: &'static str,
    /// Library, version and level: with the source and the other options, what
    /// the image depends on.
    pub(crate) codec: Option<String>,
    pub(crate) compressed_clusters: u64,
    /// Damage found in the source, each with what was done about it; the first
    /// ones where there is a lot.
    pub(crate) damage: Vec<String>,
    /// How much damage there is, listed or not.
    pub(crate) damage_count: u64,
    /// What could not be read, where that is no error.
    pub(crate) lost: Option<LostReport>,
    /// What the image leaves to an older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<BaseReport>,
    /// Whether image and source were read again and compared.
    pub(crate) verified: bool,
    /// SHA-256 of the restored disk.
    pub(crate) sha256: Option<String>,
    /// Bytes of the source, where it came from a pipe, that were kept in a temporary
    /// file, and where that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spooled_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spool_folder: Option<String>,
    pub(crate) seconds: f64,
}

impl Report {
    /// What the command ends with.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.lost.as_ref().is_some_and(|lost| lost.bytes > 0) {
            Outcome::DoneWithLosses
        } else if self.kept_whole.is_some() || self.damage_count > 0 || !self.notes.is_empty() {
            Outcome::DoneWithNotes
        } else {
            Outcome::Done
        }
    }

    /// What `--verify` compared.
    fn what_was_verified(&self) -> &'static str {
        match (self.content, self.evidence) {
            ("all", _) => "every byte against the source",
            ("metadata", _) => "all metadata against the source, and zero elsewhere",
            (_, Some("inodes")) if !self.dropped => {
                "every used byte against the source, all that files refer to among them, and zero \
                 elsewhere"
            }
            (_, Some("bitmaps")) => {
                "every byte that the block bitmaps call used against the source, and zero elsewhere"
            }
            _ => "every used byte against the source, and zero elsewhere",
        }
    }

    fn fmt_layout(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.layout, &self.physical_volume) {
            (Some(layout), _) => write!(f, ", {}\n{layout}", layout.summary()),
            (None, Some(physical)) => write!(f, ", {}\n{physical}", physical.name()),
            (None, None) => Ok(()),
        }
    }

    /// What is to be said of the source.
    fn fmt_source(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source   {}: {}", self.source, Bytes(self.disk_bytes))?;
        match &self.filesystem {
            Some(filesystem) => writeln!(f, ", {filesystem}")?,
            None if self.layout.is_some() || self.physical_volume.is_some() => {
                self.fmt_layout(f)?;
            }
            None if self.asked_for_all || self.kept_whole.is_some() => writeln!(f)?,
            None => match self.on_disk {
                Some(what) => writeln!(f, ", {what}, not looked into: everything is stored")?,
                None => writeln!(f, ", no filesystem that we know: everything is stored")?,
            },
        }
        if let Some(image) = &self.source_image {
            image.fmt(f)?;
        }
        if let (Some(bytes), Some(folder)) = (self.spooled_bytes, &self.spool_folder) {
            writeln!(f, "spooled  {} in {folder}, meanwhile", Bytes(bytes))?;
        }
        if let Some(place) = &self.frozen {
            writeln!(f, "frozen   {place}, while it was read")?;
        }
        if let Some(reason) = &self.kept_whole {
            writeln!(f, "note     everything is stored: {reason}")?;
        }
        if let Some(offset) = self.old_superblock {
            writeln!(
                f,
                "note     at byte {offset} is a copy of an ext superblock, left over from a filesystem \
                 that was here"
            )?;
        }
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        if let Some(hint) = self.hint {
            writeln!(f, "hint     {hint}")?;
        }
        for damage in &self.damage {
            writeln!(f, "damage   {damage}")?;
        }
        let listed = u64::try_from(self.damage.len()).unwrap_or(u64::MAX);
        if self.damage_count > listed {
            writeln!(f, "damage   and {} more", self.damage_count - listed)?;
        }
        match &self.lost {
            Some(lost) => write!(f, "{lost}"),
            None => Ok(()),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_source(f)?;
        if let Some(scrambled) = &self.scrambled {
            scrambled.fmt(f)?;
        }
        let share = 100.0 * ratio(self.used_bytes, self.disk_bytes);
        writeln!(
            f,
            "used     {} ({share:.1} % of the disk)",
            Bytes(self.used_bytes)
        )?;
        let rest = match &self.base {
            Some(base) => {
                base.fmt(f)?;
                "as the base holds it, or zeros"
            }
            None => "zeros",
        };
        writeln!(
            f,
            "stored   {}, the rest is {rest}",
            Bytes(self.stored_bytes)
        )?;
        writeln!(
            f,
            "image    {}: {} ({:.1} % of the disk), clusters of {}, compat {}",
            self.image,
            Bytes(self.image_bytes),
            100.0 * ratio(self.image_bytes, self.disk_bytes),
            Bytes(self.cluster_size),
            self.compat,
        )?;
        if let Some(codec) = &self.codec {
            writeln!(
                f,
                "packed   {} clusters with {codec} ({})",
                self.compressed_clusters, self.compression
            )?;
        }
        if self.shared_bytes > 0 {
            let shared = Bytes(self.shared_bytes);
            writeln!(f, "shared   {shared} with the source, which are not copied")?;
        }
        if self.verified {
            writeln!(f, "verified {}", self.what_was_verified())?;
        }
        if let Some(sha256) = &self.sha256 {
            writeln!(f, "sha256   {sha256} (the restored disk)")?;
        }
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}

/// `part / whole` for a person to read; exact enough below 2^53 bytes.
#[expect(
    clippy::as_conversions,
    reason = "the only way from u64 to f64, and the result is rounded for print"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
