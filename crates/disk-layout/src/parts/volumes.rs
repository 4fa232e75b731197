//! Physical volumes of LVM2 among the parts of a disk.

use std::ops::Range;

use blockio::ReadAt;

use crate::claims::Found;
use crate::error::Error;
use crate::keep::{self, Owner};
use crate::layout;
use crate::options::Options;
use crate::provider::{Part, Provider, Source};
use crate::report::{Kept, KeptWhole, PartReport, Report};
use crate::table::{Kind, Table};
use crate::volumes::{self, Candidate, Decided, Volumes};

use super::doubt::{claimed, part};

/// What a disk without a table is, which no provider knows: a physical volume, or nothing
/// that `report` does not say.
pub(crate) fn on_whole_disk<'d>(
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
    let whole = matches!(table.kind, Kind::None(_)).then_some((0..source.size(), false));
    let partitions = table.partitions.iter().filter(|one| !one.is_extended);
    let partitions = partitions.map(|one| (one.range.clone(), one.is_doubtful));
    let mut candidates = Vec::new();
    for (range, is_doubtful) in whole.into_iter().chain(partitions) {
        let window = part(source, range)?;
        if !volumes::is_labelled(&window) {
            continue;
        }
        let unsound = match keep::look(&window, &options, &[]) {
            _ if is_doubtful => Some(KeptWhole::DoubtfulPlace.to_string()),
            Ok((_, report, _)) => claimed(&report),
            Err(error) => Some(error.to_string()),
        };
        candidates.push(Candidate { window, unsound });
    }
    Volumes::find(candidates, true)
}

/// Looks into the physical volumes among the partitions. Nothing is free that `hashes` on the
/// disk may cover, or those in a logical volume. Returns why nothing can be told, with
/// `--salvage`.
pub(crate) fn in_volumes<'d>(
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

/// The content, of which nothing is free if hashes on the disk may cover that, too.
pub(crate) fn unless_hashed<'d>(
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
