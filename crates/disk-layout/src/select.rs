//! A partition by what it is called.

use std::sync::Arc;

use blockio::ReadAt;

use crate::error::Error;
use crate::keep::{self, Decision};
use crate::options::Options;
use crate::parts;
use crate::provider::Source;
use crate::report::FilesystemInfo;
use crate::table::{self, Effect, Partition};

/// Finds the partition of `disk` that `wanted` names: by its number, its name, or its UUID,
/// or if none has that, by the label or the UUID of its filesystem. Letters of a UUID may be
/// of either case. Extended partitions, which hold others, are not found.
///
/// `sector_bytes` is what [`Options::sector_bytes`] is.
///
/// A partition [`is_doubtful`](Partition::is_doubtful) if the whole table is.
///
/// # Errors
///
/// [`Error::Partition`] if not exactly one is found, [`Error::Table`] if the table cannot be
/// read.
pub fn find_partition(
    disk: impl ReadAt,
    sector_bytes: Option<u32>,
    wanted: &str,
) -> Result<Partition, Error> {
    let options = parts::table_options(sector_bytes);
    let table = table::read(&disk, &options).map_err(Error::Table)?;
    let is_doubtful = table
        .damage
        .iter()
        .any(|one| one.effect() == Effect::Everything);
    let mut partitions = table.partitions;
    for partition in &mut partitions {
        partition.is_doubtful |= is_doubtful;
    }
    let own = |one: &&Partition| !one.is_extended && is_called(one, wanted);
    let mut found: Vec<_> = partitions.iter().filter(own).collect();
    if found.is_empty() {
        let source: Source<'_> = Arc::new(disk);
        let holds = |one: &&Partition| !one.is_extended && holds(&source, one, wanted);
        found = partitions.iter().filter(holds).collect();
    }
    match found.as_slice() {
        [only] => Ok(Partition::clone(only)),
        several => Err(Error::Partition {
            wanted: wanted.to_owned(),
            matches: several.len(),
            partitions,
        }),
    }
}

fn is_called(partition: &Partition, wanted: &str) -> bool {
    partition.number.to_string() == wanted
        || (!wanted.is_empty() && partition.name == wanted)
        || partition.id.to_string().eq_ignore_ascii_case(wanted)
}

/// Whether the filesystem in `partition` is called `wanted`. One that cannot be read is
/// called nothing.
fn holds(source: &Source<'_>, partition: &Partition, wanted: &str) -> bool {
    let options = Options {
        preliminary: true,
        ..Options::default()
    };
    let window = parts::part(source, partition.range.clone());
    let decided = window.and_then(|window| keep::decide(&window, &options, &[]));
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
