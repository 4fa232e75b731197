//! The parts of a disk: its partitions and what is between them, or all of it.

mod doubt;
mod volumes;

use std::ops::Range;

use blockio::{Extent, Extents, ReadAt, Tiling};

use crate::claims::Found;
use crate::error::Error;
use crate::keep::{self, Decision, Owner};
use crate::layout;
use crate::options::{Keep, Options};
use crate::provider::{Provider, Source};
use crate::report::{KeptWhole, Layout, PartReport, Report};
use crate::table::{self, Kind, Partition, Table};

use doubt::{ambiguity, hashes, why_whole};
pub(crate) use doubt::{doubt, part};
pub(crate) use volumes::volumes_on;
use volumes::{in_volumes, on_whole_disk};

/// A part of a disk, and whose it is.
pub(crate) struct Owned<'d> {
    pub(crate) range: Range<u64>,
    pub(crate) owner: Owner<'d>,
}

impl Owned<'_> {
    /// What the bytes in `range` of the disk are, which lies in the part.
    pub(crate) fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let start = self.range.start;
        let inside = range.start.saturating_sub(start)..range.end.saturating_sub(start);
        let extents = self.owner.extents(inside);
        Box::new(extents.map(move |extent| {
            let extent = extent?;
            Ok(Extent {
                start: extent.start.saturating_add(start),
                ..extent
            })
        }))
    }
}

/// Splits the disk `source` into parts that tile it.
///
/// A filesystem on all of it comes first: with a table beside it the disk is ambiguous, and
/// what else claims a disk is looked for by its signature. So the table only matters if no
/// provider knows the disk as a whole.
pub(crate) fn split<'d>(
    source: &Source<'d>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Vec<Owned<'d>>, Report), Error> {
    let range = 0..source.size();
    let disk = part(source, range.clone())?;
    let only = |owner, report| Ok((vec![Owned { range, owner }], report));
    let unknown = match keep::decide(&disk, options, others)? {
        Decision::Known(owner, report) => return only(owner, *report),
        Decision::Unknown(unknown) => unknown,
    };
    let table = match table::read(source, &table_options(options.sector_bytes)) {
        Ok(table) => table,
        Err(error) if options.salvage && options.keep == Keep::Used => {
            let why = KeptWhole::Unreadable(Error::Table(error));
            return only(Owner::Unknown, Report::whole(Some(why)));
        }
        Err(error) => return Err(Error::Table(error)),
    };
    if keep::needs_one_filesystem(options) {
        let volumes = volumes_on(source, &table)?;
        let volumes = volumes.map_or(Vec::new(), |volumes| volumes.names());
        if !table.partitions.is_empty() || !volumes.is_empty() {
            return Err(Error::NeedsPartition {
                partitions: table.partitions,
                volumes,
            });
        }
    }
    let is_none = matches!(table.kind, Kind::None(_));
    if !is_none && !keep::needs_one_filesystem(options) {
        return by_table(source, table, options, others);
    }
    let mut report = unknown.report(options)?;
    if is_none {
        report.kept_whole = report.kept_whole.or_else(|| ambiguity(&table));
    }
    let (owner, report) = on_whole_disk(disk, report, options, others)?;
    only(owner, report)
}

/// How the table of a disk with such sectors is read.
pub(crate) const fn table_options(sector_bytes: Option<u32>) -> table::Options {
    table::Options { sector_bytes }
}

/// The parts that `table` describes, and what is in them.
fn by_table<'d>(
    source: &Source<'d>,
    table: Table,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Vec<Owned<'d>>, Report), Error> {
    let mut inside = Vec::new();
    let why = why_whole(source, &table, &mut inside);
    let found = why.and_then(|why| Ok((why, hashes(source, &table)?)));
    let (why, hashes) = match found {
        Err(error) if options.salvage => (Some(KeptWhole::Unreadable(error)), None),
        found => found?,
    };
    let is_whole = why.is_some();
    let mut looked = Vec::new();
    for partition in &table.partitions {
        looked.push(if is_whole {
            (Owner::Unknown, unasked(partition, None))
        } else if partition.is_doubtful || partition.is_extended {
            let why = partition.is_doubtful.then_some(KeptWhole::DoubtfulPlace);
            (Owner::Unknown, unasked(partition, why))
        } else {
            content(source, partition, &inside, options, others)?
        });
    }
    let mut why = why;
    if !is_whole && let Some(error) = in_volumes(source, &mut looked, hashes, options, others)? {
        why = Some(KeptWhole::Unreadable(error));
        let parts = table.partitions.iter();
        looked = parts
            .map(|partition| (Owner::Unknown, unasked(partition, None)))
            .collect();
    }
    let whole = Report::whole(keep::in_use(options).or(why));
    let (owners, reports): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
    let mut parts: Vec<_> = owners.into_iter().map(Some).collect();
    let owned = table.owners().map(|(range, owner)| {
        // A partition that does not have all of its bytes decides nothing.
        let partition = match owner {
            table::Owner::Partition(index) => Some(index),
            _ => None,
        };
        let is_all = |index: &usize| {
            let partition = table.partitions.get(*index);
            partition.is_some_and(|partition| partition.range == range)
        };
        let owner = partition
            .filter(is_all)
            .and_then(|index| parts.get_mut(index)?.take());
        let owner = owner.unwrap_or(Owner::Unknown);
        Owned { range, owner }
    });
    let owned = owned.collect();
    let layout = Layout {
        table,
        parts: reports,
    };
    Ok((owned, layout::summary(layout, whole)))
}

/// What is in `partition`, and which of its bytes are kept.
fn content<'d>(
    source: &Source<'d>,
    partition: &Partition,
    inside: &[Found],
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Owner<'d>, PartReport), Error> {
    let mut claims = inside.iter();
    if let Some(found) = claims.find(|found| partition.range.contains(&found.at)) {
        let why = KeptWhole::Claimed(*found);
        let mut report = unasked(partition, Some(why));
        report.looks_like = Some(*found);
        return Ok((Owner::Unknown, report));
    }
    let window = part(source, partition.range.clone())?;
    let (owner, report, looks_like) = keep::look(&window, options, others)?;
    let partition = partition.clone();
    let report = PartReport {
        partition,
        report,
        looks_like,
    };
    Ok((owner, report))
}

/// A partition that was not looked into.
fn unasked(partition: &Partition, why: Option<KeptWhole>) -> PartReport {
    PartReport {
        partition: partition.clone(),
        report: Report::whole(why),
        looks_like: None,
    }
}
