//! One partition of a disk as the whole source.

use std::ops::Range;
use std::path::Path;

use blockio::{ReadAt, Window};
use disk_layout::{Error, KeptWhole, Selected, find_partition};

use crate::args::SourceArgs;
use crate::failure::{Causes, Failure};
use crate::output::layout::list;

/// The bytes of `source` that `args` take for the disk: a part of it, or a partition in that.
pub(crate) fn range(
    source: &(impl ReadAt + ?Sized),
    args: &SourceArgs,
    sector_bytes: Option<u32>,
    takes_all: bool,
    name: &Path,
) -> Result<Range<u64>, Failure> {
    let range = args.range(source.size());
    let range = range.map_err(|why| Failure::because(name, why))?;
    let disk = Window::new(source, range.clone());
    let (Some(wanted), Some(disk)) = (&args.partition, disk) else {
        return Ok(range);
    };
    let found = find(disk, sector_bytes, wanted, name)?;
    if let (Some(why), false) = (&found.doubt, takes_all) {
        let message = format!(
            "{}; --content all takes its bytes as they are",
            doubt(found.partition.number, why)
        );
        return Err(Failure::because(name, message));
    }
    let found = found.partition;
    let Range { start, end } = found.range;
    Ok(range.start.saturating_add(start)..range.start.saturating_add(end))
}

/// The partition of `disk`, which `name` names, that is `wanted`.
pub(crate) fn find(
    disk: impl ReadAt,
    sector_bytes: Option<u32>,
    wanted: &str,
    name: &Path,
) -> Result<Selected, Failure> {
    find_partition(disk, sector_bytes, wanted)
        .map_err(|error| missing(name, &error).unwrap_or_else(|| Failure::about(name, &error)))
}

/// Says why nothing in the partition is proven free.
fn doubt(number: u32, why: &KeptWhole) -> String {
    match why {
        KeptWhole::DoubtfulPlace | KeptWhole::Table(_) => format!(
            "the partition table leaves in doubt where partition {number} lies, so nothing in it \
             is proven free"
        ),
        KeptWhole::Unreadable(error) => format!(
            "{}, so nothing in partition {number} is proven free",
            Causes(error)
        ),
        why => format!("{why}, so nothing in partition {number} is proven free"),
    }
}

/// The failure that `error` is, if a partition is missing on the command line or on the disk
/// called `name`: it says which there are.
pub(crate) fn missing(name: &Path, error: &Error) -> Option<Failure> {
    Some(match error {
        Error::NeedsPartition { partitions } => Failure::Usage(format!(
            "{}: this needs one filesystem, and the disk has a partition table; --partition \
             names one of {}",
            name.display(),
            list(partitions)
        )),
        Error::Partition {
            wanted, partitions, ..
        } if partitions.is_empty() => {
            Failure::because(name, format!("no partition {wanted}: the disk has none"))
        }
        Error::Partition {
            wanted,
            matches,
            partitions,
        } => {
            let what = match matches {
                0 => format!("no partition is called {wanted:?}"),
                _ => format!("{matches} partitions are called {wanted:?}"),
            };
            Failure::because(name, format!("{what}; there are {}", list(partitions)))
        }
        _ => return None,
    })
}
