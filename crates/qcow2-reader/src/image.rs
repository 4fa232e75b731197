//! An opened image.

use std::fmt;
use std::io;
use std::ops::Range;

use blockio::{ReadAt, len_u64};
use qcow2_format::Header;

use crate::clusters::Clusters;
use crate::header::{check_supported, read_header};
use crate::places::Places;
use crate::runs::{Mapping, Runs};
use crate::snapshots::{read_bitmaps, snapshots};
use crate::tables::{MappedDisk, Tables};
use crate::{Error, Extents, OpenOptions, Structure};

/// An opened image: the disk in it can be read anywhere, by many threads.
pub struct Image<S> {
    storage: S,
    header: Header,
    size: u64,
    tables: Tables,
    clusters: Clusters,
}

impl<S: ReadAt> Image<S> {
    /// Opens the image that `storage` holds and reads its L1 table, or that of a
    /// snapshot.
    ///
    /// # Errors
    ///
    /// Where the header, the L1 table, the snapshot table or the bitmap directory
    /// is damaged or missing, where there is no such snapshot, and where the
    /// header says that the image needs something this crate cannot do.
    pub fn open(storage: S, options: &OpenOptions) -> Result<Self, Error> {
        let header = read_header(&storage)?;
        check_supported(&header)?;
        let disk = disk_to_read(&storage, &header, options)?;
        let size = disk.size;
        let places = Places::new(&header, &disk, storage.size());
        let tables = Tables::open(&storage, places, &header, &disk, options)?;
        Ok(Self {
            storage,
            clusters: Clusters::new(&header, options),
            header,
            size,
            tables,
        })
    }

    /// Exact length of the disk, in bytes. It need not be a multiple of 512.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The header. [`IncompatibleFeatures::DIRTY`](qcow2_format::feature::IncompatibleFeatures::DIRTY)
    /// may be set in it: the refcounts of such an image may be stale, which
    /// matters to those who write to it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The storage that holds the image.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// What is where on the disk.
    pub fn extents(&self) -> Extents<'_, S> {
        Extents::new(self.runs(0..self.size))
    }

    pub(crate) fn runs(&self, guest: Range<u64>) -> Runs<'_, S> {
        Runs::new(&self.storage, &self.tables, guest)
    }
}

/// The disk that `options` ask for. Looks through the tables beside it, which
/// must be right.
fn disk_to_read<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
    options: &OpenOptions,
) -> Result<MappedDisk, Error> {
    let (mut by_id, mut by_name) = (None, None);
    for (index, snapshot) in (0..).zip(snapshots(storage, header)) {
        let snapshot = snapshot?;
        let wanted = options.snapshot.as_ref();
        if wanted == Some(&snapshot.id) {
            by_id.get_or_insert((index, snapshot));
        } else if wanted == Some(&snapshot.name) {
            by_name.get_or_insert((index, snapshot));
        }
    }
    read_bitmaps(storage, header)?;
    match (&options.snapshot, by_id.or(by_name)) {
        (None, _) => Ok(MappedDisk::active(header)),
        (Some(_), Some((index, snapshot))) => MappedDisk::of_snapshot(header, &snapshot, index),
        (Some(name), None) => Err(Error::NoSnapshot {
            name: String::from_utf8_lossy(name).into_owned(),
        }),
    }
}

impl<S: ReadAt> ReadAt for Image<S> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(len_u64(buf.len()))
            .filter(|end| *end <= self.size)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut rest = buf;
        for run in self.runs(offset..end) {
            let run = run?;
            let length = usize::try_from(run.bytes()).unwrap_or(usize::MAX);
            let (bytes, behind) = rest.split_at_mut(length);
            match run.mapping {
                Mapping::Unallocated | Mapping::Zero => bytes.fill(0),
                Mapping::Data { host } => {
                    self.storage
                        .read_at(host.0, bytes)
                        .map_err(|source| Error::Read {
                            structure: Structure::Data,
                            host,
                            source,
                        })?;
                }
                Mapping::Compressed(stream) => {
                    self.clusters.read(
                        &self.storage,
                        &self.tables.places,
                        &run.guest,
                        &stream,
                        bytes,
                    )?;
                }
            }
            rest = behind;
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        for run in self.runs(from..self.size) {
            let run = run?;
            if matches!(run.mapping, Mapping::Data { .. } | Mapping::Compressed(_)) {
                return Ok(Some(run.guest));
            }
        }
        Ok(None)
    }
}

impl<S> fmt::Debug for Image<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.size)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
