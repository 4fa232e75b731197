//! A partition or a logical volume by what it is called.

use std::sync::Arc;

use blockio::ReadAt;

use crate::error::Error;
use crate::keep::{self, Decision};
use crate::options::Options;
use crate::parts;
use crate::provider::{Part, Source};
use crate::report::{FilesystemInfo, KeptWhole};
use crate::table::{self, Kind, Partition, Table};
use crate::volumes::{self, Candidate, Opened, Volume, Volumes};

/// A part of a disk that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Selected {
    /// The partition or the logical volume.
    pub part: SelectedPart,
    /// Why nothing in it is proven free, if the rest of the disk is the reason: its place is
    /// in doubt, something claims the whole disk, or hashes in another part may cover its free
    /// bytes.
    pub doubt: Option<KeptWhole>,
}

/// What is taken for the disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SelectedPart {
    /// A partition, as the table describes it.
    Partition(Partition),
    /// A logical volume of LVM2.
    Volume(Volume),
}

impl Selected {
    /// The partition, if it is one.
    #[must_use]
    pub const fn partition(&self) -> Option<&Partition> {
        match &self.part {
            SelectedPart::Partition(partition) => Some(partition),
            SelectedPart::Volume(_) => None,
        }
    }
}

/// Finds the partition or the logical volume of `disk` that `wanted` names: a partition by
/// its number, its name, or its UUID, a volume by the name of its group, a slash and its own,
/// or if none has that, either by the label or the UUID of its filesystem. Letters of a UUID
/// may be of either case. Extended partitions, which hold others, are not found.
///
/// `sector_bytes` is what [`Options::sector_bytes`] is.
///
/// # Errors
///
/// [`Error::Partition`] if not exactly one is found, [`Error::Volume`] if it is a volume that
/// is no disk by itself, [`Error::Table`] if the table cannot be read.
pub fn select(
    disk: impl ReadAt,
    sector_bytes: Option<u32>,
    wanted: &str,
) -> Result<Selected, Error> {
    let options = parts::table_options(sector_bytes);
    let table = table::read(&disk, &options).map_err(Error::Table)?;
    let source: Source<'_> = Arc::new(disk);
    let found = parts::volumes_on(&source, &table)?;
    let volumes = found.as_ref().map_or(Vec::new(), volumes::all);
    let names = volumes.iter().map(|(name, _)| name.clone()).collect();
    let mut parts = called(&table, volumes, &source, wanted)?;
    if parts.len() == 1
        && let Some((part, doubt)) = parts.pop()
    {
        let others = doubt_of_others(&source, &table, &part, found.as_ref());
        let others = others.unwrap_or_else(|error| Some(KeptWhole::Unreadable(error)));
        return Ok(Selected {
            doubt: doubt.map(|why| KeptWhole::Distrust { why }).or(others),
            part,
        });
    }
    Err(Error::Partition {
        wanted: wanted.to_owned(),
        matches: parts.len(),
        partitions: table.partitions,
        volumes: names,
    })
}

/// A part, and why it may lie elsewhere.
type Named = (SelectedPart, Option<String>);

/// The parts that are called `wanted`.
fn called(
    table: &Table,
    volumes: Vec<(String, Result<Opened<'_>, Error>)>,
    source: &Source<'_>,
    wanted: &str,
) -> Result<Vec<Named>, Error> {
    let partition = |one: &Partition| (SelectedPart::Partition(one.clone()), None);
    let volume = |opened: Opened<'_>| (SelectedPart::Volume(opened.volume), opened.doubt);
    let partitions = table.partitions.iter().filter(|one| !one.is_extended);
    let own = partitions.clone().filter(|one| is_called(one, wanted));
    let mut found: Vec<_> = own.map(partition).collect();
    let (own, others): (Vec<_>, Vec<_>) =
        (volumes.into_iter()).partition(|(name, _)| name == wanted);
    for (_, opened) in own {
        found.push(volume(opened?));
    }
    if found.is_empty() {
        let holding = partitions.filter(|one| {
            let window = parts::part(source, one.range.clone());
            window.is_ok_and(|window| holds(&window, wanted))
        });
        found.extend(holding.map(partition));
        let others = others.into_iter().filter_map(|(_, opened)| opened.ok());
        let holding = others.filter(|opened| holds(&opened.window, wanted));
        found.extend(holding.map(volume));
    }
    Ok(found)
}

/// Why nothing in `part` is proven free, if the rest of the disk is the reason.
fn doubt_of_others(
    source: &Source<'_>,
    table: &Table,
    part: &SelectedPart,
    volumes: Option<&Volumes<'_>>,
) -> Result<Option<KeptWhole>, Error> {
    let is_doubtful = match part {
        SelectedPart::Partition(partition) => partition.is_doubtful,
        SelectedPart::Volume(_) => false,
    };
    // That something claims a disk without a table was found with its volumes.
    let why = match table.kind {
        Kind::None(_) => None,
        _ => parts::doubt(source, table, is_doubtful)?,
    };
    let inside = volumes.map_or(Ok(None), Volumes::hashes);
    let why = match why {
        Some(why) => Some(why),
        None => inside?.map(KeptWhole::Hashed),
    };
    match (why, part, volumes) {
        (None, SelectedPart::Partition(partition), Some(volumes)) => {
            doubt_of_group(source, partition, volumes)
        }
        (why, ..) => Ok(why),
    }
}

/// Why nothing is proven free in a partition that is a physical volume, if only the other
/// ones on the disk tell: it would be believed alone.
fn doubt_of_group(
    source: &Source<'_>,
    partition: &Partition,
    volumes: &Volumes<'_>,
) -> Result<Option<KeptWhole>, Error> {
    let Some(why) = volumes.doubt_of(&partition.range) else {
        return Ok(None);
    };
    let window = parts::part(source, partition.range.clone())?;
    let unsound = None;
    let alone = Volumes::find(vec![Candidate { window, unsound }], true)?;
    let is_kept = alone.is_none_or(|alone| alone.doubt_of(&partition.range).is_some());
    Ok((!is_kept).then_some(KeptWhole::Distrust { why }))
}

fn is_called(partition: &Partition, wanted: &str) -> bool {
    partition.number.to_string() == wanted
        || (!wanted.is_empty() && partition.name == wanted)
        || partition.id.to_string().eq_ignore_ascii_case(wanted)
}

/// Whether the filesystem in `window` is called `wanted`. One that cannot be read is called
/// nothing.
fn holds(window: &Part<'_>, wanted: &str) -> bool {
    let options = Options {
        preliminary: true,
        ..Options::default()
    };
    let decided = keep::decide(window, &options, &[]);
    let Ok(Decision::Known(_, report)) = decided else {
        return false;
    };
    report
        .filesystem
        .is_some_and(|info| is_labelled(&info, wanted))
}

fn is_labelled(info: &FilesystemInfo, wanted: &str) -> bool {
    (!wanted.is_empty() && info.label == wanted.as_bytes())
        || info.id().is_some_and(|id| id.eq_ignore_ascii_case(wanted))
}
