//! Whether an image agrees with itself.
//!
//! The references are counted in one part of the file after the other, so that
//! memory does not depend on the length of the file. What is wrong elsewhere in
//! the image, such as a snapshot that is not read, can only make counts too
//! small here, and then nothing is said.

use std::ops::{ControlFlow, Range};

use blockio::{Holes, ReadAt};
use qcow2_format::{ClusterBits, HostOffset};
use qcow2_map::{Content, ImageContent, ImageMap, Layer, Structure};

use crate::counts::{CLUSTERS_MAX, Count, Counts, PARTS_MAX};
use crate::error::Error;
use crate::finding::{Finding, FindingKind, Use};
use crate::owners::owners;
use crate::refcounts::{RefcountTable, Refcounts};
use crate::references::References;
use crate::streams::Streams;
use crate::survey::Survey;

/// To say who needs a cluster takes a walk over the disk: so many are said.
const OWNERS_SAID_MAX: u32 = 16;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// What the disk that is read depends on.
    Disk,
    /// All disks of the image: its snapshots, too.
    All,
}

/// What was seen on the way, where there was nothing to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Bytes of the disk that are stored, at most, where every entry of its tables is
    /// right: then nothing stands in the way of reading it but the storage and its
    /// streams. `None` where that cannot be said without looking up the whole disk, as
    /// where an image was not closed properly, and is not checked.
    pub data_bytes_max: Option<u64>,
}

/// Compares the refcounts of the image and its backing files with what they use, and
/// shows what is wrong to `found`, which may end that. An image that was not closed
/// properly may have wrong refcounts, and is right: the dirty bit says so.
///
/// # Errors
///
/// Where the refcounts, or tables, cannot be read.
pub fn check<S: ReadAt>(
    map: &ImageMap<S>,
    scope: Scope,
    mut found: impl FnMut(Finding) -> ControlFlow<()>,
) -> Result<Checked, Error> {
    let mut survey = Survey::default();
    for (index, layer) in map.layers().iter().enumerate() {
        let (Content::Image(image), Some(storage), Some(holes)) = (
            &layer.content,
            map.files().get(layer.file),
            map.holes().get(layer.file),
        ) else {
            survey.data_bytes = survey.data_bytes.saturating_add(layer.size);
            continue;
        };
        if image.is_dirty() {
            survey.is_uneven = true;
            continue;
        }
        let checker = Checker {
            storage,
            holes,
            layer,
            image,
            index,
            scope,
        };
        let checked = checker.check(&mut found);
        match checked.map_err(|error| error.in_layer(index))? {
            ControlFlow::Continue(of_layer) => survey = survey.and(of_layer),
            ControlFlow::Break(()) => return Ok(Checked::default()),
        }
    }
    Ok(Checked {
        data_bytes_max: (!survey.is_uneven).then_some(survey.data_bytes),
    })
}

/// Checks an image.
struct Checker<'c, S> {
    storage: &'c S,
    holes: &'c Holes,
    layer: &'c Layer,
    image: &'c ImageContent,
    /// Of the layer.
    index: usize,
    scope: Scope,
}

impl<S: ReadAt> Checker<'_, S> {
    fn check(
        &self,
        found: &mut impl FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(), Survey>, Error> {
        let checked = self.check_with(Streams::Counted, &mut |_, _| ControlFlow::Break(()))?;
        if checked.is_continue() {
            return Ok(checked);
        }
        // Entries may count more sectors than their streams have, to no harm.
        let mut said = 0;
        self.check_with(Streams::Measured, &mut |mut finding: Finding, host| {
            if finding.is_needed && said < OWNERS_SAID_MAX {
                said = said.saturating_add(1);
                finding.owners = owners(self.storage, self.layer, self.image, host);
            }
            found(finding)
        })
    }

    fn check_with(
        &self,
        streams: Streams,
        found: &mut impl FnMut(Finding, HostOffset) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(), Survey>, Error> {
        let header = &self.image.header;
        let table = RefcountTable::read(self.storage, header)?;
        let mut refcounts = Refcounts::new(self.storage, header, &table);
        let references = References::new(self.storage, self.holes, self.image, &table);
        let cluster_bits = header.cluster_bits;
        let file_clusters = self.storage.size().div_ceil(cluster_bits.bytes());
        let mut survey = Some(Survey::default());
        let mut surveyed = Survey::default();
        let mut next = Some(0);
        let mut parts = 0;
        while let Some(start) = next {
            if parts == PARTS_MAX {
                return Err(Error::TooScattered {
                    max: PARTS_MAX,
                    part_bytes: CLUSTERS_MAX.saturating_mul(cluster_bits.bytes()),
                });
            }
            parts = parts.saturating_add(1);
            let mut counts = Counts::new(start, file_clusters);
            references.visit(streams, survey.as_mut(), |reference| counts.add(reference))?;
            // Once is enough: the others count the same in another part of the file.
            surveyed = survey.take().unwrap_or(surveyed);
            for (cluster, count) in counts.used() {
                let host = cluster_at(cluster, cluster_bits);
                let refcount = refcounts.get(cluster)?;
                let Some(kind) = self.judge(count, refcount) else {
                    continue;
                };
                let finding = Finding {
                    kind,
                    layer: self.index,
                    host: host.clone(),
                    is_needed: count.is_needed(),
                    owners: Vec::new(),
                };
                if found(finding, HostOffset(host.start)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            next = counts.next();
        }
        Ok(ControlFlow::Continue(surveyed))
    }

    /// What is wrong with a cluster, if anything is, and it matters.
    fn judge(&self, count: Count, refcount: u64) -> Option<FindingKind> {
        if !count.is_needed() && self.scope == Scope::Disk {
            return None;
        }
        if let Some((first, second)) = count.conflict() {
            return Some(FindingKind::Conflict { first, second });
        }
        let structure = match count.only_use() {
            Use::Data => Structure::Data,
            Use::Stream => Structure::Stream,
            Use::L2Table => Structure::L2Table,
            // Which has a conflict, if anything: its own refcount does not matter to
            // those who read.
            Use::Metadata => return None,
        };
        (count.references() > refcount).then(|| FindingKind::Refcount {
            structure,
            references: count.references(),
            refcount,
        })
    }
}

/// The bytes of the host cluster with this number.
fn cluster_at(cluster: u64, cluster_bits: ClusterBits) -> Range<u64> {
    let start = cluster.saturating_mul(cluster_bits.bytes());
    start..start.saturating_add(cluster_bits.bytes())
}
