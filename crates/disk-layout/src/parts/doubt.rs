//! What keeps a disk or a partition whole, besides its content.

use std::ops::Range;

use blockio::{ReadAt, Window};

use crate::claims::{self, Claim, Found};
use crate::error::Error;
use crate::keep::{self, Decision};
use crate::options::Options;
use crate::provider::{Part, Source};
use crate::report::{KeptWhole, Report};
use crate::table::{self, Damage, Effect, Table};

/// Why nothing in a part of the disk with `table` is proven free, whatever is in it, but for
/// what lies inside of volumes. Its own place may be in doubt.
pub(crate) fn doubt(
    source: &Source<'_>,
    table: &Table,
    is_doubtful: bool,
) -> Result<Option<KeptWhole>, Error> {
    if let Some(why) = ambiguity(table) {
        return Ok(Some(why));
    }
    if is_doubtful {
        return Ok(Some(KeptWhole::DoubtfulPlace));
    }
    let options = Options {
        preliminary: true,
        ..Options::default()
    };
    let disk = part(source, 0..source.size())?;
    if let Decision::Known(_, report) = keep::decide(&disk, &options, &[])? {
        let kind = report.filesystem.map_or("a filesystem", |info| info.kind);
        let why = format!("the whole disk looks like {kind}, too");
        return Ok(Some(KeptWhole::Distrust { why }));
    }
    if let Some(why) = why_whole(source, table, &mut Vec::new())? {
        return Ok(Some(why));
    }
    Ok(hashes(source, table)?.map(KeptWhole::Hashed))
}

/// Hashes in one of the partitions that may cover the blocks of the others. It does not
/// matter whether the place of that partition is in doubt.
pub(crate) fn hashes(source: &Source<'_>, table: &Table) -> Result<Option<Found>, Error> {
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

/// Why a disk with `table` is kept whole. Claims that lie in the last bytes of a partition
/// are put to `inside`: they are that partition's.
pub(crate) fn why_whole(
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

pub(crate) fn ambiguity(table: &Table) -> Option<KeptWhole> {
    let mut damage = table.damage.iter();
    let damage = damage.find(|one| one.effect() == Effect::Everything)?;
    Some(KeptWhole::Table(Box::new(Damage::clone(damage))))
}

/// What else than a physical volume is there, by what the report says of it.
pub(crate) fn claimed(report: &Report) -> Option<String> {
    let why = report.kept_whole.as_ref();
    let why = why.filter(|why| !matches!(why, KeptWhole::InUse { .. }));
    let filesystem = report.filesystem.as_ref();
    let filesystem = filesystem.map(|found| format!("it is also claimed by {}", found.kind));
    filesystem.or(why.map(ToString::to_string))
}

/// The bytes `range` of the disk.
pub(crate) fn part<'d>(source: &Source<'d>, range: Range<u64>) -> Result<Part<'d>, Error> {
    Window::new(Source::clone(source), range).ok_or(Error::Shrunk)
}
