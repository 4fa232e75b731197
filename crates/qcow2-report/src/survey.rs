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
        mut go_on: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let image = match subject.storage {
            Storage::Image(map) => Some(map),
            Storage::Raw(_) => None,
        };
        let file = image.map(file::cells).transpose()?.flatten();
        let findings = image.map(Findings::new).transpose()?;
        let size = subject.disk_bytes();
        let scale = Scale::new(size, DISK_UNIT_BYTES);
        let mut links = Linker {
            links: Links::new(
                scale.count(),
                file.as_ref().map_or(0, |file| file.scale.count()),
            ),
            disk: scale,
            file: file.as_ref().map(|file| file.scale),
        };
        let mut disk = Cells::new(scale);
        let mut pieces = Pieces::default();
        let mut compression = Compression::new(size);
        let mut parts = Parts::new(&subject.parts);
        let mut totals = PartTotals::default();
        let (mut compressed_bytes, mut elsewhere_bytes) = (0u64, 0u64);
        walk(
            subject,
            |run| pieces.add(run),
            |segment| {
                let bytes = segment.guest.end.saturating_sub(segment.guest.start);
                disk.add(segment.guest.clone(), segment.kind());
                totals.add(segment.kind(), bytes);
                parts.add(segment);
                compression.add(segment);
                links.add(segment);
                let count = match segment.place {
                    Place::Stream { .. } => &mut compressed_bytes,
                    Place::Elsewhere => &mut elsewhere_bytes,
                    _ => return,
                };
                *count = count.saturating_add(bytes);
            },
            |done_bytes| {
                go_on(Progress {
                    done_bytes,
                    total_bytes: size,
                })
            },
        )?;
        pieces.end();
        let totals = Totals {
            disk_bytes: size,
            file_bytes: file.as_ref().map_or(size, |file| file.scale.bytes),
            used_bytes: totals.used_bytes,
            free_bytes: totals.free_bytes,
            stored_bytes: totals.stored_bytes,
            stale_bytes: totals.stale_bytes,
            compressed_bytes,
            elsewhere_bytes,
        };
        Ok(Self {
            disk,
            file,
            links: links.links,
            totals,
            parts: parts.into_totals(),
            pieces,
            compression,
            findings,
        })
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
