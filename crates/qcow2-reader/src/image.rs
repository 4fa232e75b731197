//! An opened image.

use std::fmt;
use std::io;
use std::ops::{ControlFlow, Range};

use blockio::{Cursor, Handle, ReadAt, Tiling, len_u64};
use qcow2_check::{Checked, Scope, check, doubtful};
use qcow2_format::Header;
use qcow2_map::{Closed, Extents, Gate, ImageMap, MapEntries, Mapping, Run, Runs};

use crate::cluster_cache::Clusters;
use crate::error::Error;
use crate::options::OpenOptions;
use crate::source::Source;
use crate::source::files::Files;

/// An opened image: the disk in it can be read anywhere, by many threads.
pub struct Image<S> {
    map: ImageMap<S>,
    clusters: Clusters,
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
    /// As [`Self::open`], for all of them;
    /// [`qcow2_map::Error::Reference`] if one is not opened.
    pub fn open_with(
        storage: S,
        options: &OpenOptions,
        gate: &mut dyn Gate<S>,
    ) -> Result<Self, Error> {
        let mut map = ImageMap::open_with(storage, &options.of_map(), gate)?;
        if options.salvage {
            for (layer, guest) in doubtful(&map) {
                map.give_up(layer, guest);
            }
        }
        Ok(Self {
            clusters: Clusters::new(map.cluster_bits_max(), options),
            map,
        })
    }

    /// Exact length of the disk, in bytes. It need not be a multiple of 512.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.map.size()
    }

    /// The header. [`IncompatibleFeatures::DIRTY`](qcow2_format::feature::IncompatibleFeatures::DIRTY)
    /// may be set in it: the refcounts of such an image may be stale, which
    /// matters to those who write to it.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.map.header()
    }

    /// The files: first the one with the image, then those that it depends on.
    #[must_use]
    pub fn files(&self) -> &[S] {
        self.map.files()
    }

    /// Where every byte of the image is.
    #[must_use]
    pub fn as_map(&self) -> &ImageMap<S> {
        &self.map
    }

    /// The disk as a file that is read from a place.
    pub fn reader(&self) -> Cursor<&Self> {
        Cursor::new(self)
    }

    /// What the bytes `guest` of the disk are, and where: in which layer, in which file,
    /// from which offset on. What lies past the end of the disk is left out.
    #[must_use]
    pub fn map(&self, guest: Range<u64>) -> MapEntries<'_, S> {
        self.map.entries(guest)
    }

    /// What the bytes `guest` of the disk are, in the image and in what it depends on, as
    /// extents that tile them. What lies past the end of the disk is left out.
    #[must_use]
    pub fn extents(&self, guest: Range<u64>) -> Extents<'_, S> {
        self.map.extents(guest)
    }

    /// What the image itself allocates of the bytes `guest`. What it leaves to its
    /// backing file, or has no backing file for, is `Unallocated`.
    #[must_use]
    pub fn allocated_extents(&self, guest: Range<u64>) -> Extents<'_, S> {
        self.map.allocated_extents(guest)
    }

    /// Bytes of the disk that are stored, as the tables say; above `most` they are
    /// counted no further, since a small image may have the tables of a disk of any
    /// size.
    ///
    /// # Errors
    ///
    /// A damaged part of a table.
    pub fn data_bytes(&self, most: u64) -> Result<u64, Error> {
        Ok(self.map.data_bytes(most)?)
    }

    /// Compares the refcounts of the image and its backing files with what the
    /// disk uses. An image that was not closed properly may have wrong ones, and
    /// is right: the dirty bit says so. Says what was seen of the tables on the way.
    ///
    /// # Errors
    ///
    /// [`Error::Finding`] if a cluster of the disk is used more often than
    /// its refcount says, which may be never, or is used for two things,
    /// [`Error::InLayer`] if one of a backing file is, and [`Error::Check`] where the
    /// refcounts themselves cannot be read.
    pub fn check_references(&self) -> Result<Checked, Error> {
        let mut first = None;
        let checked = check(&self.map, Scope::Disk, |finding| {
            first.get_or_insert(finding);
            ControlFlow::Break(())
        })?;
        first.map_or(Ok(checked), |finding| Err(finding.into()))
    }

    /// Fills `buf` with the bytes at `offset`, run by run, each by `read`.
    pub(crate) fn read_runs(
        &self,
        offset: u64,
        buf: &mut [u8],
        mut read: impl FnMut(&mut Files<'_, S>, &Run, &mut [u8]) -> Result<(), Error>,
    ) -> io::Result<()> {
        let end = offset
            .checked_add(len_u64(buf.len()))
            .filter(|end| *end <= self.size())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut files = self.source();
        let mut rest = buf;
        for run in self.runs(offset..end) {
            let run = run.map_err(Error::Image)?;
            let length = usize::try_from(run.bytes()).unwrap_or(usize::MAX);
            let (bytes, after) = rest.split_at_mut(length);
            read(&mut files, &run, bytes)?;
            rest = after;
        }
        Ok(())
    }

    /// Fills `bytes` with those of `run`.
    pub(crate) fn read_run(
        &self,
        files: &mut Files<'_, S>,
        run: &Run,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        match run.mapping {
            Mapping::Unallocated | Mapping::Zero | Mapping::Lost => bytes.fill(0),
            Mapping::Data { host } => {
                files.plain(&run.guest, run.file, host.0, bytes)?;
            }
            Mapping::Compressed(stream) => {
                let (clusters, guest) = (&self.clusters, &run.guest);
                clusters.read(files, run.file, guest, &stream, bytes)?;
            }
        }
        Ok(())
    }

    /// The files, to be read.
    pub(crate) fn source(&self) -> Files<'_, S> {
        Files {
            files: self.map.files(),
            ciphers: self.map.ciphers(),
        }
    }

    /// The files whose blocks may become those of a disk, at their indices.
    pub(crate) fn shareable_files(&self) -> Vec<Option<&Handle>> {
        let files = self.map.files().iter().zip(self.map.ciphers());
        files
            .map(|(file, cipher)| file.handle().filter(|_| cipher.is_none()))
            .collect()
    }

    pub(crate) fn is_salvaged(&self) -> bool {
        self.map.is_salvaged()
    }

    pub(crate) fn runs(&self, guest: Range<u64>) -> Runs<'_, S> {
        self.map.runs(guest)
    }

    /// The runs of the disk in the image itself.
    pub(crate) fn own_runs(&self) -> Runs<'_, S> {
        self.map.own_runs(0..self.size())
    }
}

impl<S: ReadAt> ReadAt for Image<S> {
    fn size(&self) -> u64 {
        self.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_runs(offset, buf, |files, run, bytes| {
            self.read_run(files, run, bytes)
        })
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        for run in self.runs(from..self.size()) {
            let run = run.map_err(Error::Image)?;
            if matches!(run.mapping, Mapping::Data { .. } | Mapping::Compressed(_)) {
                return Ok(Some(run.guest));
            }
        }
        Ok(None)
    }
}

impl<S: ReadAt> Tiling for Image<S> {
    fn extents(&self, range: Range<u64>) -> blockio::Extents<'_> {
        Tiling::extents(&self.map, range)
    }
}

impl<S> fmt::Debug for Image<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}
