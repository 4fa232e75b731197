//! A part of a source as the whole source: a range, a partition, or a logical volume.

use std::io;
use std::ops::Range;
use std::path::Path;

use blockio::{ReadAt, Window};
use disk_layout::{Error, KeptWhole, Selected, SelectedPart, Volume, VolumeDisk, select};

use crate::args::SourceArgs;
use crate::failure::{Causes, Failure};
use crate::output::layout::list;

/// The part of a source that is taken for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    range: Range<u64>,
    /// A logical volume in that range.
    volume: Option<Volume>,
}

/// The part of a source that is taken for the disk, as one.
pub(crate) enum Part<R> {
    Range(Window<R>),
    Volume(VolumeDisk<Window<R>>),
}

impl Place {
    /// Length of the part in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.volume {
            Some(volume) => volume.mapping().bytes(),
            None => self.range.end.saturating_sub(self.range.start),
        }
    }

    /// Whether the bytes of the part have the offsets that they have in the source.
    pub(crate) const fn is_at_start(&self) -> bool {
        self.volume.is_none() && self.range.start == 0
    }

    /// The part of `disk`, which is the source or another view of it; `None` if that is too
    /// short.
    pub(crate) fn on<R: ReadAt>(&self, disk: R) -> Option<Part<R>> {
        let window = Window::new(disk, self.range.clone())?;
        Some(match &self.volume {
            Some(volume) => Part::Volume(volume.on(window)?),
            None => Part::Range(window),
        })
    }

    /// The first piece of `range` that lies in a row in the source, and where it begins there.
    pub(crate) fn piece(&self, range: &Range<u64>) -> Option<(Range<u64>, u64)> {
        if range.is_empty() || range.end > self.bytes() {
            return None;
        }
        let (piece, at) = match &self.volume {
            Some(volume) => {
                let (piece, place) = volume.mapping().piece(range)?;
                (piece, place.at)
            }
            None => (range.clone(), range.start),
        };
        Some((piece, self.range.start.checked_add(at)?))
    }
}

impl<R: ReadAt> ReadAt for Part<R> {
    fn size(&self) -> u64 {
        match self {
            Self::Range(part) => part.size(),
            Self::Volume(part) => part.size(),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Range(part) => part.read_at(offset, buf),
            Self::Volume(part) => part.read_at(offset, buf),
        }
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        match self {
            Self::Range(part) => part.next_data(from),
            Self::Volume(part) => part.next_data(from),
        }
    }
}

/// The part of `source` that `args` take for the disk: a range of it, or a partition or a
/// volume in that.
pub(crate) fn place(
    source: &(impl ReadAt + ?Sized),
    args: &SourceArgs,
    sector_bytes: Option<u32>,
    takes_all: bool,
    name: &Path,
) -> Result<Place, Failure> {
    let range = args.range(source.size());
    let range = range.map_err(|why| Failure::because(name, why))?;
    let disk = Window::new(source, range.clone());
    let volume = None;
    let (Some(wanted), Some(disk)) = (&args.partition, disk) else {
        return Ok(Place { range, volume });
    };
    let found = find(disk, sector_bytes, wanted, name)?;
    if let (Some(why), false) = (&found.doubt, takes_all) {
        let message = format!(
            "{}; --content all takes its bytes as they are",
            doubt(&found.part, why)
        );
        return Err(Failure::because(name, message));
    }
    Ok(match found.part {
        SelectedPart::Partition(partition) => {
            let Range { start, end } = partition.range;
            let range = range.start.saturating_add(start)..range.start.saturating_add(end);
            Place { range, volume }
        }
        SelectedPart::Volume(volume) => Place {
            range,
            volume: Some(volume),
        },
        _ => {
            return Err(Failure::because(
                name,
                "what --partition names is not known",
            ));
        }
    })
}

/// The partition or the volume of `disk`, which `name` names, that is `wanted`.
pub(crate) fn find(
    disk: impl ReadAt,
    sector_bytes: Option<u32>,
    wanted: &str,
    name: &Path,
) -> Result<Selected, Failure> {
    select(disk, sector_bytes, wanted)
        .map_err(|error| missing(name, &error).unwrap_or_else(|| Failure::about(name, &error)))
}

/// Says why nothing in the part is proven free.
fn doubt(part: &SelectedPart, why: &KeptWhole) -> String {
    let part = match part {
        SelectedPart::Partition(partition) => format!("partition {}", partition.number),
        SelectedPart::Volume(volume) => format!("volume {}", volume.name),
        _ => "it".to_owned(),
    };
    match why {
        KeptWhole::DoubtfulPlace | KeptWhole::Table(_) => format!(
            "the partition table leaves in doubt where {part} lies, so nothing in it is proven \
             free"
        ),
        KeptWhole::Unreadable(error) => {
            format!("{}, so nothing in {part} is proven free", Causes(error))
        }
        why => format!("{why}, so nothing in {part} is proven free"),
    }
}

/// The failure that `error` is, if a partition is missing on the command line or on the disk
/// called `name`: it says which there are.
pub(crate) fn missing(name: &Path, error: &Error) -> Option<Failure> {
    Some(match error {
        Error::NeedsPartition {
            partitions,
            volumes,
        } => {
            let table = match partitions.is_empty() {
                true => "is a physical volume of LVM2",
                false => "has a partition table",
            };
            Failure::Usage(format!(
                "{}: this needs one filesystem, and the disk {table}; --partition names one of {}",
                name.display(),
                list(partitions, volumes)
            ))
        }
        Error::Partition {
            wanted,
            partitions,
            volumes,
            ..
        } if partitions.is_empty() && volumes.is_empty() => {
            Failure::because(name, format!("no partition {wanted}: the disk has none"))
        }
        Error::Partition {
            wanted,
            matches,
            partitions,
            volumes,
        } => {
            let what = match matches {
                0 => format!("no partition is called {wanted:?}"),
                _ => format!("{matches} partitions are called {wanted:?}"),
            };
            let list = list(partitions, volumes);
            Failure::because(name, format!("{what}; there are {list}"))
        }
        _ => return None,
    })
}
