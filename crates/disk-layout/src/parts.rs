//! The parts of a disk: its partitions and what is between them, or all of it.

use std::ops::Range;

use blockio::{Extent, Extents, ReadAt, Tiling, Window};

use crate::claims::{self, Claim, Found};
use crate::error::Error;
use crate::keep::{self, Decision, Owner};
use crate::layout;
use crate::options::{Keep, Options};
use crate::provider::{Part, Provider, Source};
use crate::report::{Kept, KeptWhole, Layout, PartReport, Report};
use crate::table::{self, Damage, Effect, Kind, Partition, Table};
use crate::volumes::{self, Candidate, Decided, Volumes};

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

/// What a disk without a table is, which no provider knows: a physical volume, or nothing
/// that `report` does not say.
fn on_whole_disk<'d>(
    disk: Part<'d>,
    report: Report,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<(Owner<'d>, Report), Error> {
    let whole = Candidate {
        window: disk,
        unsound: report.kept_whole.as_ref().map(ToString::to_string),
    };
    let volumes = Volumes::find(vec![whole], options.salvage)?;
    let Some(volumes) = volumes else {
        return Ok((Owner::Unknown, report));
    };
    let hashes = match volumes.hashes() {
        Err(error) if options.salvage => {
            let why = KeptWhole::Unreadable(error);
            return Ok((Owner::Unknown, Report::whole(Some(why))));
        }
        hashes => hashes?,
    };
    let decided = volumes::decide(&volumes, hashes, options, others)?;
    let Some(Decided { owner, report, .. }) = decided.into_iter().next() else {
        return Ok((Owner::Unknown, report));
    };
    Ok((owner, layout::of_volumes(report)))
}

/// The physical volumes in the partitions of `table`, or on the whole disk if it has none.
/// Those that something else claims, or that cannot be read, are in doubt.
pub(crate) fn volumes_on<'d>(
    source: &Source<'d>,
    table: &Table,
) -> Result<Option<Volumes<'d>>, Error> {
    let options = Options {
        preliminary: true,
        ..Options::default()
    };
    let mut candidates = Vec::new();
    if matches!(table.kind, Kind::None(_)) {
        let (window, unsound) = (part(source, 0..source.size())?, None);
        candidates.push(Candidate { window, unsound });
    }
    for partition in table.partitions.iter().filter(|one| !one.is_extended) {
        let window = part(source, partition.range.clone())?;
        let looked = keep::look(&window, &options, &[]);
        let unsound = match looked {
            _ if partition.is_doubtful => Some(KeptWhole::DoubtfulPlace.to_string()),
            Ok((_, report, _)) => claimed(&report),
            Err(error) => Some(error.to_string()),
        };
        candidates.push(Candidate { window, unsound });
    }
    Volumes::find(candidates, true)
}

/// What else than a physical volume is there, by what the report says of it.
fn claimed(report: &Report) -> Option<String> {
    let why = report.kept_whole.as_ref();
    let why = why.filter(|why| !matches!(why, KeptWhole::InUse { .. }));
    let filesystem = report.filesystem.as_ref();
    let filesystem = filesystem.map(|found| format!("it is also claimed by {}", found.kind));
    filesystem.or(why.map(ToString::to_string))
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

/// Looks into the physical volumes among the partitions. Nothing is free that `hashes` on the
/// disk may cover, or those in a logical volume. Returns why nothing can be told, with
/// `--salvage`.
fn in_volumes<'d>(
    source: &Source<'d>,
    looked: &mut Vec<(Owner<'d>, PartReport)>,
    hashes: Option<Found>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Option<Error>, Error> {
    let (mut candidates, mut places) = (Vec::new(), Vec::new());
    for (place, (_, report)) in looked.iter().enumerate() {
        let Range { start, end } = report.partition.range;
        if !report.partition.is_extended {
            let window = part(source, start.min(source.size())..end.min(source.size()))?;
            let unsound = claimed(&report.report);
            candidates.push(Candidate { window, unsound });
            places.push(place);
        }
    }
    let volumes = Volumes::find(candidates, options.salvage)?;
    let inside = volumes.as_ref().map_or(Ok(None), Volumes::hashes);
    let hashes = match inside {
        Err(error) if options.salvage => return Ok(Some(error)),
        inside => hashes.or(inside?),
    };
    let decided = match &volumes {
        Some(volumes) => volumes::decide(volumes, hashes, options, others)?,
        None => Vec::new(),
    };
    let all = std::mem::take(looked).into_iter();
    looked.extend(all.map(|content| unless_hashed(content, hashes)));
    for one in decided {
        let place = places.get(one.window).copied();
        let place = place.and_then(|place| looked.get_mut(place));
        if let Some((owner, report)) = place
            && claimed(&report.report).is_none()
        {
            *owner = one.owner;
            report.report = one.report;
        }
    }
    Ok(None)
}

/// Hashes in one of the partitions that may cover the blocks of the others. It does not
/// matter whether the place of that partition is in doubt.
fn hashes(source: &Source<'_>, table: &Table) -> Result<Option<Found>, Error> {
    for partition in &table.partitions {
        let Range { start, end } = partition.range;
        let window = part(source, start.min(source.size())..end.min(source.size()))?;
        if let Some(found) = claims::hashes_another(&window)? {
            let at = partition.range.start.saturating_add(found.at);
            return Ok(Some(Found { at, ..found }));
        }
    }
    Ok(None)
}

/// The content, of which nothing is free if hashes on the disk may cover that, too.
fn unless_hashed<'d>(
    (owner, mut report): (Owner<'d>, PartReport),
    hashes: Option<Found>,
) -> (Owner<'d>, PartReport) {
    let (Some(found), Kept::Used) = (hashes, report.report.kept) else {
        return (owner, report);
    };
    report.report.kept = Kept::All;
    report.report.evidence = None;
    report.report.kept_whole = Some(KeptWhole::Hashed(found));
    (Owner::Unknown, report)
}

/// Why a disk with `table` is kept whole. Claims that lie in the last bytes of a partition
/// are put to `inside`: they are that partition's.
fn why_whole(
    source: &Source<'_>,
    table: &Table,
    inside: &mut Vec<Found>,
) -> Result<Option<KeptWhole>, Error> {
    if let Some(why) = ambiguity(table) {
        return Ok(Some(why));
    }
    let owned: Vec<_> = table.owners().collect();
    // A table with a partition past the end may be that of an array, of which the disk is a
    // member: a signature at its end is the member's then.
    let mut damage = table.damage.iter();
    let is_sound = damage.all(|one| one.effect() == Effect::Nothing);
    let mut counts = |found: Found| {
        let of_it = owned.iter().find(|(range, _)| range.contains(&found.at));
        let is_inside = is_sound && matches!(of_it, Some((_, table::Owner::Partition(_))));
        if is_inside {
            inside.push(found);
        }
        !is_inside
    };
    let own = [Claim::Mbr, Claim::Gpt];
    let claim = claims::find_counting(source, &own, &mut counts)?;
    Ok(claim.map(KeptWhole::Claimed))
}

fn ambiguity(table: &Table) -> Option<KeptWhole> {
    let mut damage = table.damage.iter();
    let damage = damage.find(|one| one.effect() == Effect::Everything)?;
    Some(KeptWhole::Table(Box::new(Damage::clone(damage))))
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

/// The bytes `range` of the disk.
pub(crate) fn part<'d>(source: &Source<'d>, range: Range<u64>) -> Result<Part<'d>, Error> {
    Window::new(Source::clone(source), range).ok_or(Error::Shrunk)
}
