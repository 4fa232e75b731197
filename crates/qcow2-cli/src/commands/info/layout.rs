//! What is on the disk in a source: partitions, filesystems, what is used and free.

use std::fmt::{self, Display};
use std::path::Path;

use blockio::ReadAt;
use disk_layout::{Disk, Options};
use serde::Serialize;

use crate::args::spool;
use crate::containers;
use crate::failure::{Causes, Failure};
use crate::output::filesystem::FilesystemReport;
use crate::output::kept;
use crate::output::layout::{LayoutReport, PartitionReport};
use crate::output::volumes::PhysicalReport;
use crate::text::Bytes;

/// What is on a disk, and what `pack` would keep of it.
#[derive(Debug, Serialize)]
pub(super) struct OnDisk {
    /// On the whole disk.
    filesystem: Option<FilesystemReport>,
    /// What the disk looks like, if it is not looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    looks_like: Option<&'static str>,
    used_bytes: u64,
    /// What `pack` leaves out.
    free_bytes: u64,
    kept_whole: Option<String>,
    notes: Vec<String>,
    damage: Vec<String>,
    damage_count: u64,
    /// The partitions, if the disk has a partition table.
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<LayoutReport>,
    /// The volumes on the disk, if it is a physical volume of LVM2.
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_volume: Option<PhysicalReport>,
}

impl OnDisk {
    /// Looks into `disk`, which is the source called `name`. Nothing is proven free on a disk
    /// that `user` may write to.
    pub(super) fn new(
        name: &Path,
        disk: &impl ReadAt,
        user: Option<String>,
        sector_bytes: Option<u32>,
    ) -> Result<Self, Failure> {
        let looks_like = containers::looks_like(disk);
        let mut options = Options::default();
        options.in_use = user;
        options.sector_bytes = sector_bytes;
        options.spool = Some(&spool);
        let disk = Disk::open(disk, &options).map_err(|error| Failure::about(name, &error))?;
        let failed = |error: blockio::BoxError| Failure::because(name, Causes(&*error));
        let usage = disk.usage(0..disk.size()).map_err(failed)?;
        let report = disk.report();
        let is_known = report.filesystem.is_some() || report.layout.is_some();
        Ok(Self {
            looks_like: looks_like.filter(|_| !is_known),
            filesystem: report.filesystem.as_ref().map(FilesystemReport::new),
            used_bytes: usage.used_bytes,
            free_bytes: usage.free_bytes,
            kept_whole: kept::kept_whole(report),
            notes: report.notes.clone(),
            damage: report.damage.lines.clone(),
            damage_count: report.damage.total,
            layout: LayoutReport::new(&disk).map_err(failed)?,
            physical_volume: PhysicalReport::new(report, &disk).map_err(failed)?,
        })
    }

    /// Whether there is anything that the user should know of.
    pub(super) fn has_notes(&self) -> bool {
        self.kept_whole.is_some() || !self.notes.is_empty() || self.damage_count > 0
    }
}

impl Display for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.layout, &self.filesystem, &self.physical_volume) {
            (Some(layout), ..) => {
                let unit = Bytes(layout.sector_size.into());
                writeln!(f, "disk layout: {}, sectors of {unit}", layout.summary())?;
                for note in &layout.unusual {
                    writeln!(f, "    note: {note}")?;
                }
                head(f)?;
                for part in &layout.parts {
                    row(part, f)?;
                    if let Some(physical) = &part.physical_volume {
                        volumes(physical, f)?;
                    }
                }
            }
            (None, Some(filesystem), _) => writeln!(f, "disk layout: {filesystem}")?,
            (None, None, Some(physical)) => {
                writeln!(f, "disk layout: {}", physical.name())?;
                head(f)?;
                volumes(physical, f)?;
            }
            (None, None, None) => {
                write!(f, "disk layout: no filesystem that we know")?;
                match self.looks_like {
                    Some(what) => writeln!(f, "; it looks like {what}")?,
                    None => writeln!(f)?,
                }
            }
        }
        if let Some(why) = &self.kept_whole {
            writeln!(f, "    note: pack stores everything: {why}")?;
        }
        for note in &self.notes {
            writeln!(f, "    note: {note}")?;
        }
        for damage in &self.damage {
            writeln!(f, "    damage: {damage}")?;
        }
        let (used, free) = (Bytes(self.used_bytes), Bytes(self.free_bytes));
        match self.free_bytes {
            0 => writeln!(f, "    in use: {used}, nothing is free"),
            _ => writeln!(f, "    in use: {used}, free: {free}, which pack leaves out"),
        }
    }
}

/// The names of the columns.
fn head(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [number, start, size, used, free] = ["n", "start", "size", "used", "free"];
    writeln!(
        f,
        "    {number:>3} {start:>14} {size:>10} {used:>10} {free:>10}  content"
    )
}

/// A row for each logical volume.
fn volumes(physical: &PhysicalReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for volume in &physical.volumes {
        let sizes = [volume.bytes, volume.used_bytes, volume.free_bytes];
        let [size, used, free] = sizes.map(|bytes| Bytes(bytes).to_string());
        let (kind, name, content) = ("lv", volume.called(), volume.content());
        writeln!(
            f,
            "    {kind:>18} {size:>10} {used:>10} {free:>10}  {content} ({name})"
        )?;
    }
    Ok(())
}

/// A row of the table.
fn row(part: &PartitionReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sizes = [part.bytes, part.used_bytes, part.free_bytes];
    let [size, used, free] = sizes.map(|bytes| Bytes(bytes).to_string());
    writeln!(
        f,
        "    {:>3} {:>14} {size:>10} {used:>10} {free:>10}  {} ({})",
        part.number,
        part.start,
        part.content(),
        part.called(),
    )
}
