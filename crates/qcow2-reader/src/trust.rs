//! Whether an image agrees with itself: every host cluster that a disk needs is
//! counted in its refcount, and has one use.
//!
//! The references are counted in one part of the file after the other, so that
//! memory does not depend on the length of the file. What is wrong elsewhere in
//! the image, such as a snapshot that is not read, can only make counts too
//! small here, and then nothing is said.

mod counts;
mod crossing;
mod doubt;
mod metadata;
mod owners;
mod parts;
mod refcounts;
mod references;
mod streams;

use std::ops::Range;

use blockio::{Holes, ReadAt};
use qcow2_format::{GuestOffset, HostOffset};

use crate::layer::{Content, ImageContent, Layer};
use crate::{Error, Image, Structure, Use};

pub(crate) use doubt::doubt;

use counts::{Count, Counts, PARTS_MAX};
use owners::owners;
pub(crate) use refcounts::RefcountTable;
use refcounts::Refcounts;
use references::References;
use streams::Streams;

impl<S: ReadAt> Image<S> {
    /// Compares the refcounts of the image and its backing files with what the
    /// disk uses. An image that was not closed properly may have wrong ones, and
    /// is right: the dirty bit says so.
    ///
    /// # Errors
    ///
    /// [`Error::Refcount`] where a cluster of the disk is used more often than
    /// its refcount says, which may be never, [`Error::Conflict`] where it is
    /// used for two things, and where the refcounts themselves cannot be read.
    pub fn check_references(&self) -> Result<(), Error> {
        for (index, layer) in self.layers().iter().enumerate() {
            let (Content::Image(image), Some(storage), Some(holes)) = (
                &layer.content,
                self.files().get(layer.file),
                self.holes(layer.file),
            ) else {
                continue;
            };
            if !image.is_dirty() {
                check(storage, holes, layer, image).map_err(|error| error.in_layer(index))?;
            }
        }
        Ok(())
    }
}

fn check<S: ReadAt>(
    storage: &S,
    holes: &Holes,
    layer: &Layer,
    image: &ImageContent,
) -> Result<(), Error> {
    match check_with(storage, holes, layer, image, Streams::Counted) {
        // Entries may count more sectors than their streams have, to no harm.
        Err(Error::Conflict { .. } | Error::Refcount { .. }) => {
            check_with(storage, holes, layer, image, Streams::Measured)
        }
        checked => checked,
    }
}

fn check_with<S: ReadAt>(
    storage: &S,
    holes: &Holes,
    layer: &Layer,
    image: &ImageContent,
    streams: Streams,
) -> Result<(), Error> {
    let table = RefcountTable::read(storage, &image.header)?;
    let mut refcounts = Refcounts::new(storage, &image.header, &table);
    let references = References::new(storage, holes, image, &table);
    let cluster_bits = image.header.cluster_bits;
    let file_clusters = storage.size().div_ceil(cluster_bits.bytes());
    let mut next = Some(0);
    let mut parts = 0;
    while let Some(start) = next {
        if parts == PARTS_MAX {
            return Err(Error::TooScattered {
                max: PARTS_MAX,
                part_bytes: counts::CLUSTERS_MAX.saturating_mul(cluster_bits.bytes()),
            });
        }
        parts = parts.saturating_add(1);
        let mut counts = Counts::new(start, file_clusters);
        references.visit(streams, |reference| counts.add(reference))?;
        for (cluster, count) in counts.used() {
            let host = HostOffset(cluster.saturating_mul(cluster_bits.bytes()));
            let refcount = refcounts.get(cluster)?;
            judge(count, host, refcount)
                .map_err(|error| with_owners(error, &owners(storage, layer, image, host)))?;
        }
        next = counts.next();
    }
    Ok(())
}

/// Whether a cluster that the disk needs may be used as it is.
fn judge(count: Count, host: HostOffset, refcount: u64) -> Result<(), Error> {
    if !count.is_needed() {
        return Ok(());
    }
    if let Some((first, second)) = count.conflict() {
        return Err(Error::Conflict {
            host,
            guest: None,
            first,
            second,
            owners: Vec::new(),
        });
    }
    let structure = match count.only_use() {
        Use::Data => Structure::Data,
        Use::Stream => Structure::Stream,
        Use::L2Table => Structure::L2Table,
        // Which has a conflict, if anything: its own refcount does not matter to
        // those who read.
        Use::Metadata => return Ok(()),
    };
    if count.references() > refcount {
        return Err(Error::Refcount {
            structure,
            host,
            guest: None,
            references: count.references(),
            refcount,
            owners: Vec::new(),
        });
    }
    Ok(())
}

/// The error, with the parts of the disk that need its cluster.
fn with_owners(mut error: Error, owners: &[Range<u64>]) -> Error {
    let first = owners.first().map(|owner| GuestOffset(owner.start));
    match &mut error {
        Error::Conflict {
            guest,
            owners: named,
            ..
        } => {
            *guest = first;
            *named = owners.to_vec();
        }
        Error::Refcount {
            guest,
            owners: named,
            structure,
            ..
        } => {
            *guest = first;
            // Streams in a cluster follow each other, and one owner has nobody to
            // overwrite it.
            if *structure != Structure::Stream && owners.len() > 1 {
                *named = owners.to_vec();
            }
        }
        _ => {}
    }
    error
}
