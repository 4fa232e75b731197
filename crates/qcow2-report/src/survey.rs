//! What there is to see of a disk.

use std::ops::ControlFlow;

use blockio::{Progress, ReadAt};
use serde::Serialize;

use crate::cells::Cells;
use crate::disk::compression::Compression;
use crate::disk::parts::{PartTotals, Parts};
use crate::disk::pieces::Pieces;
use crate::disk::places::Place;
use crate::disk::walk::{Segment, walk};
use crate::error::Error;
use crate::file;
use crate::findings::Findings;
use crate::kinds::{DiskKind, FileKind};
use crate::links::Links;
use crate::scale::Scale;
use crate::subject::{Storage, Subject};

/// The shortest cells of a disk in bytes.
const DISK_UNIT_BYTES: u64 = 64 << 10;

/// What there is to see of a disk.
#[derive(Debug)]
#[non_exhaustive]
pub struct Survey {
    /// The bytes of the disk.
    pub disk: Cells<DiskKind>,
    /// The bytes of the file of the image.
    pub file: Option<Cells<FileKind>>,
    /// Which cells of the file hold bytes of which cells of the disk.
    pub links: Links,
    /// Sums over the whole disk.
    pub totals: Totals,
    /// Sums over each of the parts that were asked for.
    pub parts: Vec<PartTotals>,
    /// In how many pieces the data lies in the file.
    pub pieces: Pieces,
    /// How well it is compressed.
    pub compression: Compression,
    /// What a check of the image finds.
    pub findings: Option<Findings>,
}

/// Sums over the whole disk and its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Length of the disk.
    pub disk_bytes: u64,
    /// Length of the file of the image; that of the disk if there is none.
    pub file_bytes: u64,
    /// Bytes in use, those that read as zeros among them.
    pub used_bytes: u64,
    /// Bytes that are proven free.
    pub free_bytes: u64,
    /// Bytes of the disk that are stored, in use or free, in whatever file.
    pub stored_bytes: u64,
    /// Those of them that are free.
    pub stale_bytes: u64,
    /// Those of them that are stored compressed.
    pub compressed_bytes: u64,
    /// Those of them that are not in the file of the image.
    pub elsewhere_bytes: u64,
}

impl Survey {
    /// Looks at a disk. `go_on` learns how far the walk over the disk is, and may end it.
    ///
    /// # Errors
    ///
    /// [`Error`] if the tables of the image are damaged, or something cannot be read.
    pub fn new<S: ReadAt>(
        subject: &Subject<'_, S>,
        go_on: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let image = match subject.storage {
            Storage::Image(map) => Some(map),
            Storage::Raw(_) => None,
        };
        // Both read the tables of the image, each in its own order.
        let (of_image, of_disk) = std::thread::scope(|scope| {
            let of_image = image.map(|map| {
                let look = || Ok::<_, Error>((file::cells(map)?, Findings::new(map)?));
                scope.spawn(look)
            });
            let of_disk = OfDisk::new(subject, image.map(file::scale), go_on);
            let of_image = of_image.map(|thread| match thread.join() {
                Ok(found) => found,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            (of_image, of_disk)
        });
        let (file, findings) = match of_image.transpose()? {
            Some((file, findings)) => (file, Some(findings)),
            None => (None, None),
        };
        let mut survey = of_disk?.into_survey();
        if let Some(file) = &file {
            survey.totals.file_bytes = file.scale.bytes;
        }
        Ok(Self {
            file,
            findings,
            ..survey
        })
    }
}

/// What a walk over the disk finds.
struct OfDisk {
    disk: Cells<DiskKind>,
    links: Linker,
    parts: Parts,
    sums: PartTotals,
    pieces: Pieces,
    compression: Compression,
    compressed_bytes: u64,
    elsewhere_bytes: u64,
}

impl OfDisk {
    fn new<S: ReadAt>(
        subject: &Subject<'_, S>,
        file: Option<Scale>,
        mut go_on: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let total_bytes = subject.disk_bytes();
        let disk = Scale::new(total_bytes, DISK_UNIT_BYTES);
        let columns = file.map_or(0, Scale::count);
        let mut pieces = Pieces::default();
        let mut found = Self {
            disk: Cells::new(disk),
            links: Linker {
                links: Links::new(disk.count(), columns),
                disk,
                file,
            },
            parts: Parts::new(&subject.parts),
            sums: PartTotals::default(),
            pieces: Pieces::default(),
            compression: Compression::new(total_bytes),
            compressed_bytes: 0,
            elsewhere_bytes: 0,
        };
        walk(
            subject,
            |run| pieces.add(run),
            |segment| found.add(segment),
            |done_bytes| {
                go_on(Progress {
                    done_bytes,
                    total_bytes,
                })
            },
        )?;
        pieces.end();
        found.pieces = pieces;
        Ok(found)
    }

    fn add(&mut self, segment: &Segment) {
        let kind = segment.kind();
        let bytes = segment.guest.end.saturating_sub(segment.guest.start);
        self.disk.add(segment.guest.clone(), kind);
        self.sums.add(kind, bytes);
        self.parts.add(segment);
        self.compression.add(segment);
        self.links.add(segment);
        let count = match segment.place {
            Place::Stream { .. } => &mut self.compressed_bytes,
            Place::Elsewhere => &mut self.elsewhere_bytes,
            _ => return,
        };
        *count = count.saturating_add(bytes);
    }

    /// The survey of a disk that is a file.
    fn into_survey(self) -> Survey {
        let disk_bytes = self.disk.scale.bytes;
        Survey {
            totals: Totals {
                disk_bytes,
                file_bytes: disk_bytes,
                used_bytes: self.sums.used_bytes,
                free_bytes: self.sums.free_bytes,
                stored_bytes: self.sums.stored_bytes,
                stale_bytes: self.sums.stale_bytes,
                compressed_bytes: self.compressed_bytes,
                elsewhere_bytes: self.elsewhere_bytes,
            },
            disk: self.disk,
            file: None,
            links: self.links.links,
            parts: self.parts.into_totals(),
            pieces: self.pieces,
            compression: self.compression,
            findings: None,
        }
    }
}

/// Links the cells of the disk with those of the file.
struct Linker {
    links: Links,
    disk: Scale,
    file: Option<Scale>,
}

impl Linker {
    fn add(&mut self, segment: &Segment) {
        let Some(file) = self.file else { return };
        for (cell, part) in self.disk.split(segment.guest.clone()) {
            let host = match segment.place {
                Place::Plain(host) => {
                    let before = part.start.saturating_sub(segment.guest.start);
                    let start = host.saturating_add(before);
                    let length = part.end.saturating_sub(part.start);
                    start..start.saturating_add(length)
                }
                Place::Stream { host, bytes } => host..host.saturating_add(bytes),
                _ => return,
            };
            self.links.add(cell, file.cells(&host));
        }
    }
}
