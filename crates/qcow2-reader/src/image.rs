//! An opened image.

use std::fmt;
use std::io;
use std::ops::Range;

use blockio::{Cursor, Handle, Holes, ReadAt, len_u64};
use qcow2_format::Header;

use crate::chain::{Chain, Runs};
use crate::clusters::Clusters;
use crate::crypt::Cipher;
use crate::gate::{Closed, Gate};
use crate::layer::{Content, Layer, Opening};
use crate::load::Source;
use crate::runs::{Mapping, data_bytes};
use crate::stationary::Stationary;
use crate::trust::doubt;
use crate::{Error, Extents, OpenOptions};

/// An opened image: the disk in it can be read anywhere, by many threads.
pub struct Image<S> {
    /// The image, the files that it depends on, and those that they do.
    files: Vec<S>,
    /// What is known of the holes of each.
    holes: Vec<Holes>,
    ciphers: Vec<Option<Cipher>>,
    /// Top first.
    layers: Vec<Layer>,
    header: Header,
    clusters: Clusters,
    salvage: bool,
}

impl<S: ReadAt> Image<S> {
    /// Opens the image that `storage` holds, or a snapshot in it. Its L1 and L2 tables
    /// are read when they are needed. One that depends on other files is refused.
    ///
    /// # Errors
    ///
    /// Where the header, the snapshot table or the bitmap directory is damaged, or
    /// one of them or the L1 table is missing, where there is no such snapshot, and where the
    /// header says that the image needs something this crate cannot do.
    pub fn open(storage: S, options: &OpenOptions) -> Result<Self, Error> {
        Self::open_with(storage, options, &mut Closed)
    }

    /// The same, with a `gate` that opens the files that the image depends on:
    /// its backing file, that one's, and so on, and their external data files.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], for all of them; [`Error::Reference`] where one is not
    /// opened.
    pub fn open_with(
        storage: S,
        options: &OpenOptions,
        gate: &mut dyn Gate<S>,
    ) -> Result<Self, Error> {
        let (header, opening) = Opening::run(storage, options, gate)?;
        let Opening {
            files,
            ciphers,
            mut layers,
            ..
        } = opening;
        let holes: Vec<_> = files.iter().map(|_| Holes::new()).collect();
        if options.salvage {
            doubt(&files, &holes, &mut layers);
        }
        let cluster_bits = layers.iter().filter_map(|layer| match &layer.content {
            Content::Image(image) => Some(image.tables.geometry.cluster_bits),
            Content::Raw => None,
        });
        let cluster_bits = cluster_bits.max().unwrap_or_default();
        Ok(Self {
            clusters: Clusters::new(cluster_bits, options),
            salvage: options.salvage,
            header,
            holes,
            files,
            ciphers,
            layers,
        })
    }

    /// Exact length of the disk, in bytes. It need not be a multiple of 512.
    pub fn size(&self) -> u64 {
        self.layers.first().map_or(0, |layer| layer.size)
    }

    /// The header. [`IncompatibleFeatures::DIRTY`](qcow2_format::feature::IncompatibleFeatures::DIRTY)
    /// may be set in it: the refcounts of such an image may be stale, which
    /// matters to those who write to it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The files: first the one with the image, then those that it depends on.
    pub fn files(&self) -> &[S] {
        &self.files
    }

    /// The disk as a file that is read from a place.
    pub fn reader(&self) -> Cursor<&Self> {
        Cursor::new(self)
    }

    /// What is where on the disk, in the image and in what it depends on.
    pub fn extents(&self) -> Extents<'_, S> {
        Extents::new(self.runs(0..self.size()))
    }

    /// What the image itself allocates. What it leaves to its backing file, or
    /// to nobody, is `Unallocated`.
    pub fn allocated_extents(&self) -> Extents<'_, S> {
        Extents::new(self.own_runs())
    }

    /// Bytes of the disk that are stored, as the tables say; above `most` they are
    /// counted no further, since a small image may have the tables of a disk of any
    /// size.
    ///
    /// # Errors
    ///
    /// A damaged part of a table.
    pub fn data_bytes(&self, most: u64) -> Result<u64, Error> {
        data_bytes(self.runs(0..self.size()), most)
    }

    /// The files, to be read.
    pub(crate) fn stationary(&self) -> Stationary<'_, S> {
        Stationary {
            files: &self.files,
            ciphers: &self.ciphers,
        }
    }

    /// The files whose blocks may become those of a disk, at their indices.
    pub(crate) fn shareable_files(&self) -> Vec<Option<&Handle>> {
        let files = self.files.iter().zip(&self.ciphers);
        files
            .map(|(file, cipher)| file.handle().filter(|_| cipher.is_none()))
            .collect()
    }

    /// What is known of the holes of the file with this index.
    pub(crate) fn holes(&self, file: usize) -> Option<&Holes> {
        self.holes.get(file)
    }

    pub(crate) fn is_salvaged(&self) -> bool {
        self.salvage
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    pub(crate) fn runs(&self, guest: Range<u64>) -> Runs<'_, S> {
        Runs::new(Chain::new(&self.files, &self.holes, &self.layers, guest))
    }

    /// The runs of the disk in the image itself.
    pub(crate) fn own_runs(&self) -> Runs<'_, S> {
        let top = self.layers.get(..1).unwrap_or_default();
        Runs::new(Chain::new(&self.files, &self.holes, top, 0..self.size()))
    }
}

impl<S: ReadAt> ReadAt for Image<S> {
    fn size(&self) -> u64 {
        self.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(len_u64(buf.len()))
            .filter(|end| *end <= self.size())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut files = self.stationary();
        let mut rest = buf;
        for run in self.runs(offset..end) {
            let run = run?;
            let length = usize::try_from(run.bytes()).unwrap_or(usize::MAX);
            let (bytes, behind) = rest.split_at_mut(length);
            match run.mapping {
                Mapping::Unallocated | Mapping::Zero | Mapping::Lost => bytes.fill(0),
                Mapping::Data { host } => {
                    files.plain(&run.guest, run.file, host.0, bytes)?;
                }
                Mapping::Compressed(stream) => {
                    let (clusters, guest) = (&self.clusters, &run.guest);
                    clusters.read(&files, run.file, guest, &stream, bytes)?;
                }
            }
            rest = behind;
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        for run in self.runs(from..self.size()) {
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
            .field("layers", &self.layers.len())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
