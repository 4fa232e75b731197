//! What reports say of volumes of LVM2.

use std::fmt::{self, Display};

use blockio::BoxError;
use disk_layout::{Disk, PhysicalVolume, Report, VolumeReport};
use serde::Serialize;

use super::filesystem::FilesystemReport;
use super::kept;
use crate::text::Bytes;

/// A physical volume, and the logical volumes that begin in it.
#[derive(Debug, Serialize)]
pub(crate) struct PhysicalReport {
    /// `None` if its label is in doubt.
    pub(crate) uuid: Option<String>,
    /// The name of its group, if it is known.
    pub(crate) volume_group: Option<String>,
    pub(crate) volumes: Vec<LogicalReport>,
    /// Whether the metadata of its group decides what is free.
    #[serde(skip)]
    is_believed: bool,
}

/// What is in a volume where nothing is known.
const UNKNOWN: &str = "unknown content";

/// A logical volume, and what of it is kept.
#[derive(Debug, Serialize)]
pub(crate) struct LogicalReport {
    /// As `group/volume`.
    pub(crate) name: String,
    /// As LVM2 calls it, such as `linear`.
    pub(crate) r#type: String,
    /// Whether it is a part of another volume.
    pub(crate) hidden: bool,
    pub(crate) bytes: u64,
    pub(crate) filesystem: Option<FilesystemReport>,
    /// What the content looks like, if it is not looked into.
    pub(crate) looks_like: Option<&'static str>,
    /// Of its bytes on physical volumes; none if it lies on other volumes.
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
    /// Why it is not looked into, if LVM2 shows something else than its bytes.
    pub(crate) not_opened: Option<String>,
    /// Why everything is kept although less was asked for.
    pub(crate) kept_whole: Option<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) damage: Vec<String>,
}

impl PhysicalReport {
    /// The physical volume that `report` tells of, on `disk`.
    pub(crate) fn new(report: &Report, disk: &Disk<'_>) -> Result<Option<Self>, BoxError> {
        let Some(physical) = &report.physical_volume else {
            return Ok(None);
        };
        let PhysicalVolume {
            id, group, volumes, ..
        } = physical;
        let volumes = volumes.iter().map(|one| LogicalReport::new(one, disk));
        Ok(Some(Self {
            uuid: (!id.is_empty()).then(|| id.clone()),
            volume_group: group.clone(),
            volumes: volumes.collect::<Result<_, _>>()?,
            is_believed: report.kept_whole.is_none(),
        }))
    }

    /// What it is, in a few words.
    pub(crate) fn name(&self) -> String {
        match &self.volume_group {
            Some(group) => format!("LVM2 \"{group}\""),
            None => "LVM2".to_owned(),
        }
    }
}

impl LogicalReport {
    fn new(volume: &VolumeReport, disk: &Disk<'_>) -> Result<Self, BoxError> {
        let (mut used_bytes, mut free_bytes) = (0u64, 0u64);
        for range in &volume.ranges {
            let usage = disk.usage(range.clone())?;
            used_bytes = used_bytes.saturating_add(usage.used_bytes);
            free_bytes = free_bytes.saturating_add(usage.free_bytes);
        }
        let report = &volume.report;
        Ok(Self {
            name: volume.name.clone(),
            r#type: volume.kind.clone(),
            hidden: volume.is_hidden,
            bytes: volume.bytes,
            filesystem: report.filesystem.as_ref().map(FilesystemReport::new),
            looks_like: volume.looks_like.map(|found| found.claim.name()),
            used_bytes,
            free_bytes,
            not_opened: volume.not_opened.clone(),
            kept_whole: kept::kept_whole(report),
            notes: report.notes.clone(),
            damage: report.damage.lines.clone(),
        })
    }

    /// Its name, in brackets if it is hidden, as the tools have it.
    pub(crate) fn called(&self) -> String {
        match self.hidden {
            true => format!("[{}]", self.name),
            false => self.name.clone(),
        }
    }

    /// What is in it, in a few words.
    pub(crate) fn content(&self) -> String {
        let kind = &self.r#type;
        match (&self.filesystem, self.looks_like, &self.not_opened) {
            (Some(filesystem), ..) => filesystem.name(),
            (None, Some(what), _) => what.to_owned(),
            (None, None, Some(why)) => format!("{kind} ({why})"),
            (None, None, None) => UNKNOWN.to_owned(),
        }
    }
}

/// A line for each logical volume.
impl Display for PhysicalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for volume in &self.volumes {
            write!(f, "lv       {}: {}, ", volume.called(), Bytes(volume.bytes))?;
            let content = match volume.content() {
                unknown if unknown == UNKNOWN && !self.is_believed => "not looked into".to_owned(),
                content => content,
            };
            let is_read = volume.filesystem.is_some() && volume.kept_whole.is_none();
            if volume.free_bytes > 0 {
                let (used, free) = (Bytes(volume.used_bytes), Bytes(volume.free_bytes));
                writeln!(f, "{content}, {used} used, {free} free")?;
            } else if is_read && self.is_believed {
                writeln!(f, "{content}, nothing free")?;
            } else {
                writeln!(f, "{content}, kept whole")?;
            }
        }
        Ok(())
    }
}
