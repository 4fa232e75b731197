//! What `pack` says when it is done.

use std::fmt::{self, Display};

use ext_blocks::{Info, Kind};
use serde::Serialize;

use crate::output::{Bytes, escaped};

/// The report of a finished `pack`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) command: &'static str,
    pub(crate) source: String,
    pub(crate) image: String,
    #[serde(skip)]
    pub(crate) asked_for_all: bool,
    /// What was stored: `used` or `all`.
    pub(crate) content: &'static str,
    /// Why everything was stored although less was asked for.
    pub(crate) kept_whole: Option<String>,
    /// How an unclean filesystem was left.
    pub(crate) notes: Vec<String>,
    /// Offset of a copy of an ext superblock on a disk that has no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_superblock: Option<u64>,
    pub(crate) filesystem: Option<FilesystemReport>,
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
    /// Whether image and source were read again and compared.
    pub(crate) verified: bool,
    /// SHA-256 of the restored disk.
    pub(crate) sha256: Option<String>,
    pub(crate) seconds: f64,
}

/// The ext filesystem on the source.
#[derive(Debug, Serialize)]
pub(crate) struct FilesystemReport {
    pub(crate) kind: &'static str,
    pub(crate) label: String,
    pub(crate) uuid: String,
    /// Not there where the superblock's numbers make no sense.
    #[serde(flatten)]
    pub(crate) geometry: Option<GeometryReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct GeometryReport {
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
}

impl FilesystemReport {
    pub(crate) fn new(info: &Info) -> Self {
        Self {
            kind: match info.kind {
                Kind::Ext2 => "ext2",
                Kind::Ext3 => "ext3",
                Kind::Ext4 => "ext4",
            },
            label: escaped(&info.label),
            uuid: uuid(&info.uuid),
            geometry: info.geometry.as_ref().map(|geometry| GeometryReport {
                block_size: geometry.block_bytes(),
                blocks: geometry.block_count(),
            }),
        }
    }
}

impl Report {
    /// Whether there is something about the source worth knowing.
    pub(crate) fn has_notes(&self) -> bool {
        self.kept_whole.is_some() || !self.notes.is_empty() || self.damage_count > 0
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source   {}: {}", self.source, Bytes(self.disk_bytes))?;
        match &self.filesystem {
            Some(filesystem) => writeln!(f, ", {filesystem}")?,
            None if self.asked_for_all => writeln!(f)?,
            None => writeln!(f, ", no filesystem that we know: everything is stored")?,
        }
        if let Some(reason) = &self.kept_whole {
            writeln!(f, "note     everything is stored: {reason}")?;
        }
        if let Some(offset) = self.old_superblock {
            writeln!(
                f,
                "note     a copy of an ext superblock is at byte {offset}, left over from a filesystem \
                 that was here"
            )?;
        }
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        for damage in &self.damage {
            writeln!(f, "damage   {damage}")?;
        }
        let listed = u64::try_from(self.damage.len()).unwrap_or(u64::MAX);
        if self.damage_count > listed {
            writeln!(f, "damage   and {} more", self.damage_count - listed)?;
        }
        let share = 100.0 * ratio(self.used_bytes, self.disk_bytes);
        writeln!(
            f,
            "used     {} ({share:.1} % of the disk)",
            Bytes(self.used_bytes)
        )?;
        writeln!(
            f,
            "stored   {}, the rest is zeros",
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
            writeln!(
                f,
                "verified every used byte against the source, and zero elsewhere"
            )?;
        }
        if let Some(sha256) = &self.sha256 {
            writeln!(f, "sha256   {sha256} (the restored disk)")?;
        }
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}

impl Display for FilesystemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if !self.label.is_empty() {
            write!(f, " \"{}\"", self.label)?;
        }
        if let Some(GeometryReport { blocks, block_size }) = self.geometry {
            write!(f, " of {blocks} blocks of {}", Bytes(block_size))?;
        }
        Ok(())
    }
}

/// The usual form: 8-4-4-4-12 hexadecimal digits.
fn uuid(bytes: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or(""));
    parts.join("-")
}

/// `part / whole` for a person to read; exact enough below 2^53 bytes.
#[expect(
    clippy::as_conversions,
    reason = "the only way from u64 to f64, and the result is rounded for print"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
