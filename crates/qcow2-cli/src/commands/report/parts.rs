//! The parts of a disk, in words and as ranges.

use std::ops::Range;

use blockio::{BoxError, ReadAt};
use disk_layout::{Disk, VolumeReport};
use qcow2_report::{PARTS_MAX, Row, Text};

use crate::output::filesystem::FilesystemReport;
use crate::output::layout::{LayoutReport, PartitionReport};
use crate::output::volumes::{LogicalReport, PhysicalReport};

/// The parts of a disk: its partitions, or the filesystem on all of it, and volumes.
pub(super) struct Parts {
    rows: Vec<(Row, Vec<Range<u64>>)>,
    /// What the disk has on it, in a few words.
    summary: String,
    /// Parts left out.
    more: usize,
    /// What a reader should know of them.
    notes: Vec<String>,
}

impl Parts {
    pub(super) fn new(disk: &Disk<'_>) -> Result<Self, BoxError> {
        let report = disk.report();
        let mut parts = Self {
            rows: Vec::new(),
            summary: "no filesystem that we know".to_owned(),
            more: 0,
            notes: Vec::new(),
        };
        if let (Some(found), Some(layout)) = (LayoutReport::new(disk)?, &report.layout) {
            parts.summary = found.summary();
            parts.notes.extend(found.damage.iter().cloned());
            for (row, part) in found.parts.iter().zip(&layout.parts) {
                let partition = &part.partition;
                let ranges = match partition.is_extended {
                    // Its bytes are those of the logical ones.
                    true => Vec::new(),
                    false => vec![partition.range.clone()],
                };
                parts.add(partition_row(row), ranges);
                parts.notes_of(row);
                if let (Some(found), Some(physical)) =
                    (&row.physical_volume, &part.report.physical_volume)
                {
                    parts.volumes(found, &physical.volumes);
                }
            }
        } else if let Some(physical) = &report.physical_volume {
            if let Some(found) = PhysicalReport::new(report, disk)? {
                parts.summary = found.name();
                parts.volumes(&found, &physical.volumes);
            }
        } else if let Some(filesystem) = &report.filesystem {
            let filesystem = FilesystemReport::new(filesystem);
            parts.summary = filesystem.to_string();
            let mut row = Row::default();
            row.name = "whole disk".to_owned();
            row.content = filesystem.name();
            (row.start, row.bytes) = (Some(0), disk.size());
            let whole = 0..disk.size();
            parts.add(row, vec![whole]);
        }
        parts.more = parts.rows.len().saturating_sub(PARTS_MAX);
        parts.rows.truncate(PARTS_MAX);
        Ok(parts)
    }

    fn add(&mut self, row: Row, ranges: Vec<Range<u64>>) {
        self.rows.push((row, ranges));
    }

    fn volumes(&mut self, found: &PhysicalReport, volumes: &[VolumeReport]) {
        for (volume, report) in found.volumes.iter().zip(volumes) {
            self.add(volume_row(volume), report.ranges.clone());
            let all = volume.kept_whole.iter().chain(&volume.notes);
            let all = all.chain(&volume.damage);
            let named = all.map(|note| format!("volume {}: {note}", volume.name));
            self.notes.extend(named);
        }
    }

    fn notes_of(&mut self, part: &PartitionReport) {
        let all = part.kept_whole.iter().chain(&part.notes);
        let all = all.chain(&part.damage);
        let named = all.map(|note| format!("partition {}: {note}", part.number));
        self.notes.extend(named);
    }

    /// The ranges of each of them.
    pub(super) fn ranges(&self) -> Vec<Vec<Range<u64>>> {
        self.rows.iter().map(|(_, ranges)| ranges.clone()).collect()
    }

    /// Puts the words into `text`.
    pub(super) fn fill(self, text: &mut Text) {
        text.content = self.summary;
        text.rows = self.rows.into_iter().map(|(row, _)| row).collect();
        text.more_rows = self.more;
        text.notes.extend(self.notes);
    }
}

fn partition_row(part: &PartitionReport) -> Row {
    let mut row = Row::default();
    row.number = part.number.to_string();
    row.name = part.called();
    row.content = part.content();
    (row.start, row.bytes) = (Some(part.start), part.bytes);
    row
}

fn volume_row(volume: &LogicalReport) -> Row {
    let mut row = Row::default();
    row.number = "lv".to_owned();
    row.name = volume.called();
    row.content = volume.content();
    row.bytes = volume.bytes;
    row.is_inside = true;
    row
}
