//! One partition of a disk as the whole source.

use std::io;
use std::ops::Range;
use std::path::Path;

use blockio::{Handle, ReadAt, Window};
use disk_layout::{Error, find_partition};

use crate::failure::Failure;
use crate::output::layout::list;

/// The bytes of the partition that `wanted` names; `None` if it names none.
pub(crate) fn find(
    disk: &dyn ReadAt,
    wanted: Option<&str>,
    name: &Path,
) -> Result<Option<Range<u64>>, Failure> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let found = find_partition(disk, wanted);
    let found = found.map_err(|error| about(name, &error))?;
    Ok(Some(found.range))
}

/// Reports that a disk cannot be looked into, and which partitions there are if one of them
/// is missing.
pub(crate) fn about(name: &Path, error: &Error) -> Failure {
    let message = |what: String| format!("{}: {what}", name.display());
    match error {
        Error::NeedsPartition { partitions } => Failure::Usage(message(format!(
            "this needs one filesystem, and the disk has a partition table; --partition names \
             one of {}",
            list(partitions)
        ))),
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
        error => Failure::about(name, error),
    }
}

/// A source, or the part of it that is one partition.
pub(crate) enum Part<S> {
    /// All of it.
    Whole(S),
    /// A partition.
    Window(Window<S>),
}

impl<S: ReadAt> Part<S> {
    /// The bytes `range` of `source`, or all of it.
    pub(crate) fn new(source: S, range: Option<&Range<u64>>) -> io::Result<Self> {
        let Some(range) = range else {
            return Ok(Self::Whole(source));
        };
        let window = Window::new(source, range.clone());
        let window = window.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Self::Window(window))
    }

    fn bytes(&self) -> &dyn ReadAt {
        match self {
            Self::Whole(source) => source,
            Self::Window(window) => window,
        }
    }
}

impl<S: ReadAt> ReadAt for Part<S> {
    fn size(&self) -> u64 {
        self.bytes().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes().read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.bytes().next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        self.bytes().handle()
    }
}
