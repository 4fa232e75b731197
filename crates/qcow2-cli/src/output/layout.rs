//! What reports say of a partition table and of what is in the partitions.

use std::fmt::{self, Display};
use std::ops::Range;

use blockio::BoxError;
use disk_layout::table::{Kind, Partition, PartitionId};
use disk_layout::{Disk, Layout, PartReport};
use serde::Serialize;

use super::filesystem::FilesystemReport;
use super::kept;
use super::partition_type;
use super::volumes::PhysicalReport;
use crate::text::{Bytes, Foreign};

/// The partitions of a disk.
#[derive(Debug, Serialize)]
pub(crate) struct LayoutReport {
    /// `gpt` or `mbr`.
    pub(crate) table: &'static str,
    pub(crate) sector_size: u32,
    pub(crate) parts: Vec<PartitionReport>,
    /// What is wrong with the table.
    pub(crate) damage: Vec<String>,
    /// What is unusual about the table, and no damage.
    pub(crate) unusual: Vec<String>,
}

/// A partition, and what of it is kept.
#[derive(Debug, Serialize)]
pub(crate) struct PartitionReport {
    pub(crate) number: u32,
    /// In bytes of the disk.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    /// A GUID, or a byte in hexadecimal digits.
    pub(crate) r#type: String,
    pub(crate) name: Option<Foreign>,
    pub(crate) uuid: Option<String>,
    /// Whether it only holds others.
    #[serde(skip)]
    is_extended: bool,
    #[serde(skip)]
    type_name: Option<&'static str>,
    pub(crate) filesystem: Option<FilesystemReport>,
    /// What the content looks like, if it is not looked into.
    pub(crate) looks_like: Option<&'static str>,
    /// The volumes in it, if it is a physical volume of LVM2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) physical_volume: Option<PhysicalReport>,
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
    /// Why everything is kept although less was asked for.
    pub(crate) kept_whole: Option<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) damage: Vec<String>,
}

impl LayoutReport {
    /// The partitions of `disk`, if it has a table that decides.
    pub(crate) fn new(disk: &Disk<'_>) -> Result<Option<Self>, BoxError> {
        let Some(layout) = &disk.report().layout else {
            return Ok(None);
        };
        let parts = layout.parts.iter();
        let parts = parts.map(|part| PartitionReport::new(part, disk));
        Ok(Some(Self {
            table: kind(layout),
            sector_size: layout.table.sector_bytes,
            parts: parts.collect::<Result<_, _>>()?,
            damage: layout.table_damage().map(ToString::to_string).collect(),
            unusual: layout.table_notices().map(ToString::to_string).collect(),
        }))
    }

    /// The table in a few words.
    pub(crate) fn summary(&self) -> String {
        let count = self.parts.len();
        let noun = if count == 1 {
            "partition"
        } else {
            "partitions"
        };
        let name = match self.table {
            "gpt" => "a GPT",
            _ => "an MBR",
        };
        format!("{name} with {count} {noun}")
    }
}

fn kind(layout: &Layout) -> &'static str {
    match layout.table.kind {
        Kind::Gpt => "gpt",
        _ => "mbr",
    }
}

impl PartitionReport {
    fn new(part: &PartReport, disk: &Disk<'_>) -> Result<Self, BoxError> {
        let (partition, report) = (&part.partition, &part.report);
        let Range { start, end } = partition.range;
        let usage = match partition.is_extended {
            // Its bytes are those of the logical ones.
            true => Default::default(),
            false => disk.usage(start..end)?,
        };
        let name = &partition.name;
        Ok(Self {
            number: partition.number,
            start,
            bytes: end.saturating_sub(start),
            r#type: partition.kind.to_string(),
            name: (!name.is_empty()).then(|| Foreign::new(name.as_bytes())),
            uuid: uuid(partition),
            is_extended: partition.is_extended,
            type_name: partition_type::name(&partition.kind),
            filesystem: report.filesystem.as_ref().map(FilesystemReport::new),
            looks_like: part.looks_like.map(|found| found.claim.name()),
            physical_volume: PhysicalReport::new(report, disk)?,
            used_bytes: usage.used_bytes,
            free_bytes: usage.free_bytes,
            kept_whole: kept::kept_whole(report),
            notes: report.notes.clone(),
            damage: report.damage.lines.clone(),
        })
    }

    /// What is in it, in a few words.
    pub(crate) fn content(&self) -> String {
        if let Some(physical) = &self.physical_volume {
            return physical.name();
        }
        match (&self.filesystem, self.looks_like) {
            (Some(filesystem), _) => filesystem.name(),
            (None, Some(what)) => what.to_owned(),
            (None, None) if self.is_extended => "logical partitions".to_owned(),
            (None, None) => "unknown content".to_owned(),
        }
    }

    /// What the table calls it.
    pub(crate) fn called(&self) -> String {
        match (&self.name, self.type_name) {
            (Some(name), _) => name.to_string(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => format!("type {}", self.r#type),
        }
    }
}

/// `partitions` as numbers, each with its name if it has one, and the names of `volumes`.
pub(crate) fn list(partitions: &[Partition], volumes: &[String]) -> String {
    let names = partitions.iter().filter(|one| !one.is_extended).map(|one| {
        let name = Foreign::new(one.name.as_bytes());
        match one.name.is_empty() {
            true => one.number.to_string(),
            false => format!("{} \"{name}\"", one.number),
        }
    });
    let volumes = volumes.iter().map(|name| Foreign::new(name.as_bytes()));
    let volumes = volumes.map(|name| name.to_string());
    names.chain(volumes).collect::<Vec<_>>().join(", ")
}

/// What Linux calls its PARTUUID, in lower case as there.
fn uuid(partition: &Partition) -> Option<String> {
    let is_none = matches!(
        partition.id,
        PartitionId::Mbr {
            disk_signature: 0,
            ..
        }
    );
    (!is_none).then(|| partition.id.to_string().to_lowercase())
}

/// A line for each partition.
impl Display for LayoutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.unusual {
            writeln!(f, "table    {note}")?;
        }
        for part in &self.parts {
            write!(f, "part {:<3} {}: ", part.number, part.called())?;
            writeln!(f, "{}, {}", Bytes(part.bytes), part.fate())?;
            if let Some(physical) = &part.physical_volume {
                physical.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl PartitionReport {
    /// What becomes of it.
    fn fate(&self) -> String {
        let content = self.content();
        if self.is_extended {
            return content;
        }
        let (used, free) = (Bytes(self.used_bytes), Bytes(self.free_bytes));
        let physical = self.physical_volume.as_ref();
        let is_known = self.filesystem.is_some() || physical.is_some();
        if self.free_bytes > 0 {
            format!("{content}, {used} used, {free} free")
        } else if is_known && self.kept_whole.is_none() {
            format!("{content}, nothing free")
        } else {
            format!("{content}, kept whole")
        }
    }
}
