//! Why nothing is given back for being free.

use disk_layout::{Disk, Kept, PartReport, Report};

use super::source::Source;
use crate::output::kept;

/// What is said of a disk, or of one of its partitions.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    disk: &'a Disk<'a>,
    /// The number of the only partition to punch.
    partition: Option<u32>,
}

impl<'a> Subject<'a> {
    /// The whole `disk`, or the `partition` of that number.
    pub(super) const fn new(disk: &'a Disk<'a>, partition: Option<u32>) -> Self {
        Self { disk, partition }
    }

    /// What was found there.
    pub(super) fn report(&self) -> &'a Report {
        let part = self.part().map(|part| &part.report);
        part.unwrap_or_else(|| self.disk.report())
    }

    fn part(&self) -> Option<&'a PartReport> {
        let mut parts = self.disk.report().layout.iter().flat_map(|one| &one.parts);
        parts.find(|part| Some(part.partition.number) == self.partition)
    }

    /// Why nothing is given back for being free, if that is so. What pack leaves out of a
    /// damaged filesystem is still in the source; here it would be gone, so more is asked.
    pub(super) fn nothing_free(&self, source: &Source<'_>) -> Option<String> {
        let disk = self.disk.report();
        if let Some(why) = kept::kept_whole(disk) {
            return Some(why);
        }
        if let Some(damage) = source.mmp_damage() {
            return Some(format!("{damage}; e2fsck -f repairs it"));
        }
        let Some(layout) = &disk.layout else {
            return match self.partition {
                Some(_) => Some("the partition table does not decide".to_owned()),
                None => unknown(disk, source.on_disk()).or_else(|| troubled(disk)),
            };
        };
        if let Some(damage) = layout.table_damage().next() {
            return Some(format!("the partition table is damaged: {damage}"));
        }
        if self.partition.is_some() {
            let part = self.part()?;
            let looks_like = part.looks_like.map(|found| found.claim.name());
            return kept::kept_whole(&part.report)
                .or_else(|| unknown(&part.report, looks_like))
                .or_else(|| troubled(&part.report));
        }
        unknown(disk, source.on_disk()).or_else(|| {
            layout.parts.iter().find_map(|part| {
                let number = part.partition.number;
                let why = troubled(&part.report)?;
                Some(format!(
                    "partition {number}: {why}; --partition gives back the free blocks of another"
                ))
            })
        })
    }
}

/// Why `report` proves nothing free, if no filesystem decides.
fn unknown(report: &Report, looks_like: Option<&str>) -> Option<String> {
    let is_known =
        report.filesystem.is_some() || report.layout.is_some() || report.physical_volume.is_some();
    if report.kept != Kept::All && is_known {
        return None;
    }
    let what = looks_like.unwrap_or("no filesystem that we know");
    Some(format!("it holds {what}, which proves nothing free"))
}

/// What is wrong with a filesystem that `report` tells of, also in logical volumes.
fn troubled(report: &Report) -> Option<String> {
    // What is in volumes that nobody can tell may be about the other partitions.
    if let (Some(_), Some(why)) = (&report.physical_volume, kept::kept_whole(report)) {
        return Some(why);
    }
    let physical = report.physical_volume.iter();
    let mut volumes = physical.flat_map(|physical| &physical.volumes);
    let inside = volumes.find_map(|volume| {
        let why = unsound(&volume.report)?;
        Some(format!("volume {}: {why}", volume.name))
    });
    inside.or_else(|| unsound(report))
}

/// What is wrong with the filesystem of `report`, and what repairs it.
fn unsound(report: &Report) -> Option<String> {
    let (why, does) = match &report.needs_check {
        Some(why) => (why.as_str(), "makes it clean"),
        None if report.damage.total > 0 => ("the filesystem is damaged", "repairs it"),
        None => return None,
    };
    Some(match report.repaired_by {
        Some(program) => format!("{why}; {program} {does}"),
        None => why.to_owned(),
    })
}
