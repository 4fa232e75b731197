//! An opened image, as a map.

use std::fmt;
use std::ops::Range;

use blockio::salvage::Lost;
use blockio::{Holes, ReadAt, Tiling};
use qcow2_format::{ClusterBits, Header};

use crate::crypt::Cipher;
use crate::error::Error;
use crate::extents::Extents;
use crate::gate::{Closed, Gate};
use crate::layers::chain::{Chain, Runs};
use crate::layers::layer::{Content, Layer, Opening};
use crate::lookup::runs::data_bytes;
use crate::map_entry::MapEntries;
use crate::options::MapOptions;

/// An opened image, and what it depends on: it says where the bytes of the disk are,
/// to many threads at once.
pub struct ImageMap<S> {
    /// The image, the files that it depends on, and those that they do.
    files: Vec<S>,
    /// What is known of the holes of each.
    holes: Vec<Holes>,
    ciphers: Vec<Option<Cipher>>,
    /// Top first.
    layers: Vec<Layer>,
    header: Header,
    salvage: bool,
}

impl<S: ReadAt> ImageMap<S> {
    /// Opens the image that `storage` holds, or a snapshot in it. Its L1 and L2 tables
    /// are read when they are needed. One that depends on other files is refused.
    ///
    /// # Errors
    ///
    /// Where the header, the snapshot table or the bitmap directory is damaged, or
    /// one of them or the L1 table is missing, where there is no such snapshot, and where
    /// the header says that the image needs something these crates cannot do.
    pub fn open(storage: S, options: &MapOptions) -> Result<Self, Error> {
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
        options: &MapOptions,
        gate: &mut dyn Gate<S>,
    ) -> Result<Self, Error> {
        let (header, opening) = Opening::run(storage, options, gate)?;
        let Opening {
            files,
            ciphers,
            layers,
            ..
        } = opening;
        Ok(Self {
            holes: files.iter().map(|_| Holes::new()).collect(),
            files,
            ciphers,
            layers,
            header,
            salvage: options.salvage,
        })
    }

    /// Exact length of the disk, in bytes. It need not be a multiple of 512.
    #[inline]
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.first().map_or(0, |layer| layer.size)
    }

    /// The header of the image that was opened.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The files: first the one with the image, then those that it depends on.
    #[inline]
    #[must_use]
    pub fn files(&self) -> &[S] {
        &self.files
    }

    /// How the plain clusters in each of [`Self::files`] are encrypted.
    #[inline]
    #[must_use]
    pub fn ciphers(&self) -> &[Option<Cipher>] {
        &self.ciphers
    }

    /// What is known of the holes of each of [`Self::files`].
    #[must_use]
    pub fn holes(&self) -> &[Holes] {
        &self.holes
    }

    /// The image and its backing files, top first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether the image is read despite damage.
    #[inline]
    #[must_use]
    pub fn is_salvaged(&self) -> bool {
        self.salvage
    }

    /// The largest clusters of all layers.
    #[must_use]
    pub fn cluster_bits_max(&self) -> ClusterBits {
        let cluster_bits = self.layers.iter().filter_map(|layer| match &layer.content {
            Content::Image(image) => Some(image.tables.geometry.cluster_bits),
            Content::Raw => None,
        });
        cluster_bits.max().unwrap_or_default()
    }

    /// Gives up the bytes `guest` of the layer with this index, which cannot be trusted
    /// and are lost.
    pub fn give_up(&mut self, layer: usize, guest: Lost) {
        if let Some(Content::Image(image)) =
            self.layers.get_mut(layer).map(|layer| &mut layer.content)
        {
            image.tables.doubt(guest);
        }
    }

    /// Where the bytes `guest` are, which must lie on the disk; the runs tile them.
    #[must_use]
    pub fn runs(&self, guest: Range<u64>) -> Runs<'_, S> {
        Runs::new(Chain::new(&self.files, &self.holes, &self.layers, guest))
    }

    /// The same of the image itself, without its backing files.
    #[must_use]
    pub fn own_runs(&self, guest: Range<u64>) -> Runs<'_, S> {
        let top = self.layers.get(..1).unwrap_or_default();
        Runs::new(Chain::new(&self.files, &self.holes, top, guest))
    }

    /// What the bytes `guest` are and where they are, entry by entry; what lies past
    /// the end of the disk is left out.
    #[must_use]
    pub fn entries(&self, guest: Range<u64>) -> MapEntries<'_, S> {
        let guest = self.on_disk(guest);
        let runs = Chain::new(&self.files, &self.holes, &self.layers, guest);
        MapEntries::new(runs, &self.layers, &self.ciphers)
    }

    /// What the bytes `guest` are, as extents that tile them; what lies past the end of
    /// the disk is left out.
    #[must_use]
    pub fn extents(&self, guest: Range<u64>) -> Extents<'_, S> {
        Extents::new(self.runs(self.on_disk(guest)))
    }

    /// What the image itself allocates of the bytes `guest`. What it leaves to its
    /// backing file, or has no backing file for, is `Unallocated`.
    #[must_use]
    pub fn allocated_extents(&self, guest: Range<u64>) -> Extents<'_, S> {
        Extents::new(self.own_runs(self.on_disk(guest)))
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

    fn on_disk(&self, guest: Range<u64>) -> Range<u64> {
        let end = guest.end.min(self.size());
        guest.start.min(end)..end
    }
}

impl<S: ReadAt> Tiling for ImageMap<S> {
    fn extents(&self, range: Range<u64>) -> blockio::Extents<'_> {
        let extents = Self::extents(self, range);
        Box::new(extents.map(|extent| extent.map_err(Into::into)))
    }
}

impl<S> fmt::Debug for ImageMap<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageMap")
            .field("layers", &self.layers.len())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
