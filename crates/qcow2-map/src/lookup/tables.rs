//! The tables of a disk in an image.

use std::ops::Range;
use std::sync::Arc;

use blockio::ReadAt;
use blockio::salvage::Lost;
use qcow2_format::{EntryContext, Geometry, GuestOffset, Header, HostOffset, L1Entry, L2Words};

use crate::image::bounds::Bounds;
use crate::image::files::Files;
use crate::image::mapped_disk::MappedDisk;
use crate::image::stream::Codec;
use crate::lookup::table_cache::{SLICE_BYTES, Slice, TableCache, TablePlace, WORD_BYTES};
use crate::{Error, Structure};

/// A part of an L2 table.
#[derive(Clone, Debug)]
pub struct L2Slice {
    /// Where the table begins.
    pub host: HostOffset,
    /// The guest bytes that the part maps.
    pub guest: Range<u64>,
    slice: Slice,
    extended: bool,
}

impl L2Slice {
    /// Entry `index` of the table, if it is here and was read.
    #[inline]
    #[must_use]
    pub fn entry(&self, index: u64) -> Option<L2Words> {
        if !self.extended {
            return Some(L2Words {
                first: self.slice.word(index)?,
                bitmap: None,
            });
        }
        let first = index.saturating_mul(2);
        Some(L2Words {
            first: self.slice.word(first)?,
            bitmap: Some(self.slice.word(first.saturating_add(1))?),
        })
    }

    /// Index of the entry up to which all from `index` on are known to be zero.
    #[inline]
    #[must_use]
    pub fn zeros_end(&self, index: u64) -> u64 {
        let words = if self.extended { 2 } else { 1 };
        self.slice.zeros_end(index.saturating_mul(words)) / words
    }
}

/// All that is needed to look up where guest bytes are.
#[derive(Debug)]
pub struct Tables {
    /// How guest offsets are cut into indices.
    pub geometry: Geometry,
    /// What the meaning of an L2 entry depends on.
    pub context: EntryContext,
    /// What compressed clusters give.
    pub codec: Codec,
    /// Where things may be.
    pub bounds: Bounds,
    /// Which files they are in.
    pub files: Files,
    /// Length of the external data file, if there is one.
    data_file_bytes: Option<u64>,
    /// Bytes of the disk.
    size: u64,
    l1_host: HostOffset,
    /// Bytes of the L1 table in use, whether they are there or not.
    l1_bytes: u64,
    /// Those of all layers.
    slices: Arc<TableCache>,
    /// The guest bytes that cannot be trusted, of an image that is salvaged.
    doubtful: Option<Lost>,
}

impl Tables {
    /// The tables of `disk`, which are read through `slices`, and all else at its
    /// place within `bounds`.
    pub fn new(
        bounds: Bounds,
        header: &Header,
        disk: &MappedDisk,
        slices: Arc<TableCache>,
    ) -> Result<Self, Error> {
        let geometry = header.geometry();
        let (l1_host, size) = (disk.l1_host, disk.size);
        let l1_bytes = disk.l1_bytes(geometry);
        if !bounds.salvage {
            bounds.check(Structure::L1Table, 0..size, l1_host, l1_bytes)?;
        }
        Ok(Self {
            geometry,
            context: header.entry_context(),
            codec: Codec::of(header),
            bounds,
            files: Files { image: 0, data: 0 },
            data_file_bytes: None,
            size,
            l1_host,
            l1_bytes,
            slices,
            doubtful: None,
        })
    }

    /// From now on things are in `files`, and plain clusters in a file of
    /// `data_file_bytes` bytes, if that is not the image.
    pub fn set_files(&mut self, files: Files, data_file_bytes: Option<u64>) {
        self.files = files;
        self.data_file_bytes = data_file_bytes;
    }

    /// From now on these guest bytes are lost.
    pub fn doubt(&mut self, guest: Lost) {
        self.doubtful = Some(guest);
    }

    /// The first range of guest bytes that are lost and has one of `guest`.
    #[inline]
    #[must_use]
    pub fn doubtful(&self, guest: &Range<u64>) -> Option<Range<u64>> {
        self.doubtful.as_ref()?.meets(guest)
    }

    /// Where entry `l1_index` of the L1 table is.
    #[must_use]
    pub fn l1_entry_host(&self, l1_index: u64) -> u64 {
        let before = l1_index.saturating_mul(WORD_BYTES);
        self.l1_host.0.saturating_add(before)
    }

    /// How many of the plain bytes for `guest` at `host` are there.
    #[inline]
    #[must_use]
    pub fn data_there(&self, guest: &Range<u64>, host: HostOffset) -> u64 {
        let bytes = guest.end.saturating_sub(guest.start);
        match self.data_file_bytes {
            None => self.bounds.there(host, bytes),
            Some(_) if host.0 != guest.start => 0,
            Some(file_bytes) => file_bytes.saturating_sub(host.0).min(bytes),
        }
    }

    /// Refuses plain bytes for `guest` at `host` that cannot be there.
    #[inline]
    pub fn check_data(&self, guest: &Range<u64>, host: HostOffset) -> Result<(), Error> {
        let bytes = guest.end.saturating_sub(guest.start);
        let Some(file_bytes) = self.data_file_bytes else {
            return self
                .bounds
                .check(Structure::Data, guest.clone(), host, bytes);
        };
        if host.0 != guest.start {
            return Err(Error::DataFileOffset {
                guest: GuestOffset(guest.start),
                host,
            });
        }
        if guest.end > file_bytes {
            return Err(Error::Truncated {
                structure: Structure::DataFile,
                guest: guest.clone(),
                host,
                end: guest.end,
                file_bytes,
            });
        }
        Ok(())
    }

    /// The guest bytes that L1 entry `l1_index` maps.
    #[inline]
    #[must_use]
    pub fn l1_coverage(&self, l1_index: u64) -> Range<u64> {
        let coverage_bytes = self.geometry.l2_coverage_bytes();
        let start = l1_index.saturating_mul(coverage_bytes);
        start..start.saturating_add(coverage_bytes).min(self.size)
    }

    /// Entries of the L1 table that are in use.
    #[must_use]
    pub fn l1_entries(&self) -> u64 {
        self.geometry.l1_entries_for(self.size)
    }

    /// The part of the L1 table with entry `l1_index`, read from `storage`.
    pub fn l1_slice<S: ReadAt + ?Sized>(&self, storage: &S, l1_index: u64) -> Result<Slice, Error> {
        let table = TablePlace {
            structure: Structure::L1Table,
            file: self.files.image,
            host: self.l1_host,
            bytes: self.bounds.there(self.l1_host, self.l1_bytes),
        };
        self.slices.read(storage, &table, l1_index)
    }

    /// Where the L2 table is that L1 entry `l1_index`, which is in `slice`, names,
    /// and how many bytes of it are in use; `None` where all that the entry maps is
    /// unallocated.
    pub fn l2_place(
        &self,
        slice: &Slice,
        l1_index: u64,
    ) -> Result<Option<(HostOffset, u64)>, Error> {
        let guest = self.l1_coverage(l1_index);
        let raw = match slice.word(l1_index) {
            Some(0) => return Ok(None),
            Some(raw) => raw,
            None if l1_index.saturating_mul(WORD_BYTES) >= self.l1_bytes => return Ok(None),
            None => {
                let (host, bytes) = (self.l1_host, self.l1_bytes);
                return Err(self
                    .bounds
                    .truncated(Structure::L1Table, guest, host, bytes));
            }
        };
        self.l2_place_of(raw, l1_index)
    }

    /// The same where the L1 entry is `raw`.
    ///
    /// # Errors
    ///
    /// [`Error::L1Entry`] if it is wrong, and where the table cannot be where it says.
    pub fn l2_place_of(&self, raw: u64, l1_index: u64) -> Result<Option<(HostOffset, u64)>, Error> {
        let guest = self.l1_coverage(l1_index);
        let entry =
            L1Entry::decode(raw, self.geometry.cluster_bits, l1_index).map_err(|source| {
                Error::L1Entry {
                    table: self.l1_host,
                    guest: GuestOffset(guest.start),
                    source,
                }
            })?;
        let Some(L1Entry { l2_table: host, .. }) = entry else {
            return Ok(None);
        };
        // The entries in use: the file may end after them.
        let bytes = guest
            .end
            .saturating_sub(guest.start)
            .div_ceil(self.geometry.cluster_bits.bytes())
            .saturating_mul(self.geometry.l2_entry_bytes());
        if !self.bounds.salvage || self.bounds.there(host, bytes) == 0 {
            self.bounds.check(Structure::L2Table, guest, host, bytes)?;
        }
        Ok(Some((host, bytes)))
    }

    /// The part of the L2 table at `place` that maps the guest byte `at`.
    pub fn l2_slice<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        (host, bytes): (HostOffset, u64),
        at: u64,
    ) -> Result<L2Slice, Error> {
        let table = TablePlace {
            structure: Structure::L2Table,
            file: self.files.image,
            host,
            // The part of it that is there, if an image is salvaged.
            bytes: self.bounds.there(host, bytes),
        };
        let entry_bytes = self.geometry.l2_entry_bytes();
        let (l2_index, l1_index) = (
            self.geometry.l2_index(GuestOffset(at)),
            self.geometry.l1_index(GuestOffset(at)),
        );
        let word = l2_index.saturating_mul(entry_bytes / WORD_BYTES);
        let slice = self.slices.read(storage, &table, word)?;
        Ok(L2Slice {
            host,
            guest: self.slice_coverage(l1_index, l2_index),
            slice,
            extended: self.geometry.extended_l2,
        })
    }

    /// The guest bytes that the slice with L2 entry `l2_index` of this table maps.
    fn slice_coverage(&self, l1_index: u64, l2_index: u64) -> Range<u64> {
        let entries = SLICE_BYTES / self.geometry.l2_entry_bytes();
        let coverage_bytes = entries.saturating_mul(self.geometry.cluster_bits.bytes());
        let table = self.l1_coverage(l1_index);
        let before = (l2_index / entries).saturating_mul(coverage_bytes);
        let start = table.start.saturating_add(before);
        start..start.saturating_add(coverage_bytes).min(table.end)
    }
}
