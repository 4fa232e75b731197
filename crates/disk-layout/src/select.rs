//! A partition by what it is called.

use std::sync::Arc;

use blockio::ReadAt;

use crate::error::Error;
use crate::keep::{self, Decision};
use crate::options::Options;
use crate::parts;
use crate::provider::Source;
use crate::report::{FilesystemInfo, KeptWhole};
use crate::table::{self, Partition};

/// A partition that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Selected {
    /// The partition, as the table describes it.
    pub partition: Partition,
    /// Why nothing in it is proven free, if the rest of the disk is the reason: its place is
    /// in doubt, something claims the whole disk, or hashes in another partition may cover
    /// its free bytes.
    pub doubt: Option<KeptWhole>,
}

/// Finds the partition of `disk` that `wanted` names: by its number, its name, or its UUID,
/// or if none has that, by the label or the UUID of its filesystem. Letters of a UUID may be
/// of either case. Extended partitions, which hold others, are not found.
///
/// `sector_bytes` is what [`Options::sector_bytes`] is.
///
/// # Errors
///
/// [`Error::Partition`] if not exactly one is found, [`Error::Table`] if the table cannot be
/// read.
pub fn find_partition(
    disk: impl ReadAt,
    sector_bytes: Option<u32>,
    wanted: &str,
) -> Result<Selected, Error> {
    let options = parts::table_options(sector_bytes);
    let table = table::read(&disk, &options).map_err(Error::Table)?;
    let source: Source<'_> = Arc::new(disk);
    let partitions = &table.partitions;
    let own = |one: &&Partition| !one.is_extended && is_called(one, wanted);
    let mut found: Vec<_> = partitions.iter().filter(own).collect();
    if found.is_empty() {
        let holds = |one: &&Partition| !one.is_extended && holds(&source, one, wanted);
        found = partitions.iter().filter(holds).collect();
    }
    if let [only] = found.as_slice() {
        let doubt = parts::doubt(&source, &table, only);
        return Ok(Selected {
            doubt: doubt.unwrap_or_else(|error| Some(KeptWhole::Unreadable(error))),
            partition: Partition::clone(only),
        });
    }
    Err(Error::Partition {
        wanted: wanted.to_owned(),
        matches: found.len(),
        partitions: table.partitions,
    })
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
