//! A partition or a logical volume by what it is called.

use std::sync::Arc;

use blockio::ReadAt;

use crate::error::Error;
use crate::keep::{self, Decision};
use crate::options::Options;
use crate::parts;
use crate::provider::{Part, Source};
use crate::report::FilesystemInfo;
use crate::table::{self, Effect, Partition};
use crate::volumes::{self, Volume};

/// What is taken for the disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Selected {
    /// A partition.
    Partition(Partition),
    /// A logical volume of LVM2.
    Volume(Volume),
}

/// Finds the partition or the logical volume of `disk` that `wanted` names: a partition by
/// its number, its name, or its UUID, a volume by the name of its group, a slash and its own,
/// or if none has that, either by the label or the UUID of its filesystem. Letters of a UUID
/// may be of either case. Extended partitions, which hold others, are not found.
///
/// `sector_bytes` is what [`Options::sector_bytes`] is.
///
/// A partition [`is_doubtful`](Partition::is_doubtful) if the whole table is, and a volume
/// that may lie elsewhere has a [`doubt`](Volume::doubt).
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
    let source: Source<'_> = Arc::new(disk);
    let mut table = table::read(&source, &options).map_err(Error::Table)?;
    let mut damage = table.damage.iter();
    let is_doubtful = damage.any(|one| one.effect() == Effect::Everything);
    for partition in &mut table.partitions {
        partition.is_doubtful |= is_doubtful;
    }
    let partitions = table.partitions.iter().filter(|one| !one.is_extended);
    let own = partitions.clone().filter(|one| is_called(one, wanted));
    let mut found: Vec<_> = own.cloned().map(Selected::Partition).collect();
    let mut names = Vec::new();
    if found.is_empty() {
        let volumes = parts::volumes_on(&source, &table)?;
        let volumes = volumes.as_ref().map_or(Vec::new(), volumes::all);
        names.extend(volumes.iter().map(|(name, _)| name.clone()));
        let (own, others): (Vec<_>, Vec<_>) =
            volumes.into_iter().partition(|(name, _)| name == wanted);
        for (_, volume) in own {
            found.push(Selected::Volume(volume?.0));
        }
        if found.is_empty() {
            let holding = partitions.filter(|one| {
                let window = parts::part(&source, one.range.clone());
                window.is_ok_and(|window| holds(&window, wanted))
            });
            found = holding.cloned().map(Selected::Partition).collect();
            let others = others.into_iter().filter_map(|(_, volume)| volume.ok());
            let holding = others.filter(|(_, window)| holds(window, wanted));
            found.extend(holding.map(|(volume, _)| Selected::Volume(volume)));
        }
    }
    if found.len() == 1
        && let Some(only) = found.pop()
    {
        return Ok(only);
    }
    Err(Error::Partition {
        wanted: wanted.to_owned(),
        matches: found.len(),
        partitions: table.partitions,
        volumes: names,
    })
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
