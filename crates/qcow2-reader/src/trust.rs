//! Whether an image agrees with itself: every host cluster that a disk needs is
//! counted in its refcount, and has one use.
//!
//! The references are counted in one part of the file after the other, so that
//! memory does not depend on the length of the file. What is wrong elsewhere in
//! the image, such as a snapshot that is not read, can only make counts too
//! small here, and then nothing is said.

mod counts;
mod refcounts;
mod references;
mod streams;

use blockio::ReadAt;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::{ClusterBits, GuestOffset, HostOffset};

use crate::l1::L1Reader;
use crate::layer::{Content, ImageContent, Layer};
use crate::runs::Mapping;
use crate::walk::Walk;
use crate::{Error, Image, Structure, Use};

use counts::{Count, Counts};
pub(crate) use refcounts::RefcountTable;
use refcounts::Refcounts;
use references::References;
use streams::Streams;

/// Most parts of a file that are counted one by one.
const PARTS_MAX: u32 = 64;

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
            let (Content::Image(image), Some(storage)) =
                (&layer.content, self.files().get(layer.file))
            else {
                continue;
            };
            let dirty = IncompatibleFeatures::DIRTY;
            if !image.header.incompatible.contains(dirty) {
                check(storage, layer, image).map_err(|error| error.in_layer(index))?;
            }
        }
        Ok(())
    }
}

fn check<S: ReadAt>(storage: &S, layer: &Layer, image: &ImageContent) -> Result<(), Error> {
    match check_with(storage, layer, image, Streams::Counted) {
        // Entries may count more sectors than their streams have, to no harm.
        Err(Error::Conflict { .. } | Error::Refcount { .. }) => {
            check_with(storage, layer, image, Streams::Measured)
        }
        checked => checked,
    }
}

fn check_with<S: ReadAt>(
    storage: &S,
    layer: &Layer,
    image: &ImageContent,
    streams: Streams,
) -> Result<(), Error> {
    let table = RefcountTable::read(storage, &image.header)?;
    let mut refcounts = Refcounts::new(storage, &image.header, &table);
    let references = References::new(storage, image, &table);
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
            judge(count, host, refcount).map_err(|error| {
                let guest = find(storage, layer, image, host, cluster_bits);
                with_guest(error, guest)
            })?;
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
        });
    }
    Ok(())
}

fn with_guest(error: Error, found: Option<GuestOffset>) -> Error {
    match error {
        Error::Conflict {
            host,
            first,
            second,
            ..
        } => Error::Conflict {
            host,
            guest: found,
            first,
            second,
        },
        Error::Refcount {
            structure,
            host,
            references,
            refcount,
            ..
        } => Error::Refcount {
            structure,
            host,
            guest: found,
            references,
            refcount,
        },
        other => other,
    }
}

/// The first guest byte that needs the host cluster at `host`, as far as the
/// tables are right.
fn find<S: ReadAt>(
    storage: &S,
    layer: &Layer,
    image: &ImageContent,
    host: HostOffset,
    cluster_bits: ClusterBits,
) -> Option<GuestOffset> {
    let tables = &image.tables;
    let within = |at: u64| cluster_bits.round_down(at) == host.0;
    let overlap = |error: Error| match error {
        Error::Overlap { guest, host, .. } if within(host.0) => Some(guest),
        _ => None,
    };
    let mut l1 = L1Reader::new(storage, tables);
    for l1_index in 0..tables.l1_entries() {
        let found = match l1.l2_place(l1_index) {
            Ok(Some((table, _))) if within(table.0) => {
                Some(GuestOffset(tables.l1_coverage(l1_index).start))
            }
            Ok(_) => None,
            Err(error) => overlap(error),
        };
        if found.is_some() {
            return found;
        }
    }
    for run in Walk::new(storage, tables, 0..layer.size) {
        let run = match run {
            Ok(run) => run,
            Err(error) => return overlap(error),
        };
        let found = match run.mapping {
            Mapping::Data { host } => within(host.0),
            Mapping::Compressed(stream) => {
                (cluster_bits.round_down(stream.host.0)..stream.end()).contains(&host.0)
            }
            Mapping::Unallocated | Mapping::Zero | Mapping::Lost => false,
        };
        if found {
            return Some(GuestOffset(run.guest.start));
        }
    }
    None
}
