//! The layers of a disk: an image and its backing files.

use std::sync::Arc;

use blockio::ReadAt;
use qcow2_format::Header;
use qcow2_format::extension::Extension;
use qcow2_format::feature::IncompatibleFeatures;

use crate::crypt::{self, Cipher};
use crate::gate::{BackingFormat, Gate, Reference, ReferenceFault, ReferenceKind};
use crate::image::bounds::Bounds;
use crate::image::files::Files;
use crate::image::header::{check_supported, read_header};
use crate::image::mapped_disk::MappedDisk;
use crate::image::snapshots::{read_bitmaps, snapshots};
use crate::lookup::table_cache::TableCache;
use crate::lookup::tables::Tables;
use crate::{Error, MapOptions};

/// Most layers of one disk, its own included. QEMU has no limit; people have a few.
pub const LAYERS_MAX: usize = 64;

/// A layer of a disk.
#[derive(Debug)]
pub struct Layer {
    /// Index of the file with the image, or the raw disk.
    pub file: usize,
    /// Bytes of its disk. What lies after reads as zeros.
    pub size: u64,
    /// What it is.
    pub content: Content,
}

/// What a layer is.
#[derive(Debug)]
pub enum Content {
    /// An image.
    Image(Box<ImageContent>),
    /// A file that is the disk.
    Raw,
}

/// An image.
#[derive(Debug)]
pub struct ImageContent {
    /// Its header, without the extensions of others.
    pub header: Header,
    /// The disk in it that is read.
    pub disk: MappedDisk,
    /// Where the bytes of that disk are.
    pub tables: Tables,
}

impl ImageContent {
    /// Whether the image was not closed properly: its refcounts may be stale.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        let dirty = IncompatibleFeatures::DIRTY;
        self.header.incompatible.contains(dirty)
    }
}

/// The layers of a disk, and the files that they are in, while they are opened.
pub(crate) struct Opening<'o, S> {
    pub(crate) files: Vec<S>,
    /// How the plain clusters in each of the files are encrypted.
    pub(crate) ciphers: Vec<Option<Cipher>>,
    /// Top first.
    pub(crate) layers: Vec<Layer>,
    slices: Arc<TableCache>,
    options: &'o MapOptions,
}

impl<'o, S: ReadAt> Opening<'o, S> {
    /// Opens the image in `storage`, and what it depends on. Gives its header,
    /// too.
    pub(crate) fn run(
        storage: S,
        options: &'o MapOptions,
        gate: &mut dyn Gate<S>,
    ) -> Result<(Header, Self), Error> {
        let mut opening = Self {
            files: Vec::new(),
            ciphers: Vec::new(),
            layers: Vec::new(),
            slices: Arc::new(TableCache::new(options.l2_cache_bytes, options.salvage)),
            options,
        };
        let header = read_header(&storage)?;
        let mut next = opening.image(storage, &header, gate)?;
        while let Some((storage, format)) = next {
            next = match format {
                BackingFormat::Qcow2 => {
                    let in_layer = |error: Error| error.in_layer(opening.layers.len());
                    let header = read_header(&storage).map_err(in_layer)?;
                    let opened = opening.image(storage, &header, gate);
                    opened.map_err(|error| error.in_layer(opening.layers.len()))?
                }
                BackingFormat::Raw => {
                    opening.raw(storage);
                    None
                }
            };
        }
        Ok((header, opening))
    }

    fn raw(&mut self, storage: S) {
        self.layers.push(Layer {
            file: self.files.len(),
            size: storage.size(),
            content: Content::Raw,
        });
        self.files.push(storage);
        self.ciphers.push(None);
    }

    /// Adds an image, and opens its backing file.
    fn image(
        &mut self,
        storage: S,
        header: &Header,
        gate: &mut dyn Gate<S>,
    ) -> Result<Option<(S, BackingFormat)>, Error> {
        let index = self.layers.len();
        check_supported(header, self.options.salvage)?;
        let disk = self.disk_to_read(&storage, header)?;
        let image = self.files.len();
        let data_file = data_file_of(header, index)
            .map(|reference| {
                let opened = gate.data_file(&reference);
                opened.map_err(|fault| Error::reference(&reference, fault))
            })
            .transpose()?;
        let backing = backing_file_of(header, index)
            .map(|reference| open_backing_file(&reference, gate))
            .transpose()?;

        let bounds = Bounds::new(header, &disk, storage.size(), self.options.salvage);
        let files = Files {
            image,
            data: image.saturating_add(usize::from(data_file.is_some())),
        };
        let cipher = crypt::open(&storage, header, self.options.secret.as_ref())?;
        let data_file_bytes = data_file.as_ref().map(ReadAt::size);
        let mut tables = Tables::new(bounds, header, &disk, Arc::clone(&self.slices))?;
        tables.set_files(files, data_file_bytes);
        if data_file.is_some() {
            self.ciphers.push(None);
        }
        self.ciphers.push(cipher);
        self.files.push(storage);
        self.files.extend(data_file);
        self.layers.push(Layer {
            file: image,
            size: disk.size,
            content: Content::Image(Box::new(ImageContent {
                header: without_foreign(header),
                disk,
                tables,
            })),
        });
        Ok(backing)
    }

    /// The disk that is asked for. Looks through the tables beside it, which
    /// must be right.
    fn disk_to_read(&self, storage: &S, header: &Header) -> Result<MappedDisk, Error> {
        let wanted = self.options.snapshot.as_ref();
        let wanted = wanted.filter(|_| self.layers.is_empty());
        let (mut by_id, mut by_name) = (None, None);
        for (index, snapshot) in (0..).zip(snapshots(storage, header)) {
            let snapshot = match snapshot {
                Err(_) if self.options.salvage => break,
                snapshot => snapshot?,
            };
            if wanted == Some(&snapshot.id) {
                by_id.get_or_insert((index, snapshot));
            } else if wanted == Some(&snapshot.name) {
                by_name.get_or_insert((index, snapshot));
            }
        }
        if !self.options.salvage {
            read_bitmaps(storage, header)?;
        }
        match (wanted, by_id.or(by_name)) {
            (None, _) => Ok(MappedDisk::active(header)),
            (Some(_), Some((index, snapshot))) => MappedDisk::of_snapshot(header, &snapshot, index),
            (Some(name), None) => Err(Error::NoSnapshot {
                name: String::from_utf8_lossy(name).into_owned(),
            }),
        }
    }
}

/// Opens a backing file, if there are not too many layers already.
fn open_backing_file<S>(
    reference: &Reference<'_>,
    gate: &mut dyn Gate<S>,
) -> Result<(S, BackingFormat), Error> {
    let refuse = |fault| Error::reference(reference, fault);
    if reference.layer.saturating_add(1) >= LAYERS_MAX {
        return Err(refuse(ReferenceFault::TooDeep { max: LAYERS_MAX }));
    }
    gate.backing_file(reference).map_err(refuse)
}

/// `header` without the extensions that are not needed again: in many layers
/// they may take much memory.
fn without_foreign(header: &Header) -> Header {
    let mut header = header.clone();
    header
        .extensions
        .retain(|extension| matches!(extension, Extension::Bitmaps(_) | Extension::Luks(_)));
    header
}

/// What an image names as its backing file, if it has one; it is that in `layer`.
#[must_use]
pub fn backing_file_of(header: &Header, layer: usize) -> Option<Reference<'_>> {
    let name = header.backing_name.as_deref()?;
    let format = header
        .extensions
        .iter()
        .find_map(|extension| match extension {
            Extension::BackingFormat(name) => Some(name.as_slice()),
            _ => None,
        });
    Some(Reference {
        kind: ReferenceKind::BackingFile,
        name: Some(name),
        format,
        layer,
    })
}

/// The data file of the image in `layer`, if it has one.
#[must_use]
pub fn data_file_of(header: &Header, layer: usize) -> Option<Reference<'_>> {
    let external = IncompatibleFeatures::EXTERNAL_DATA_FILE;
    let name = header
        .extensions
        .iter()
        .find_map(|extension| match extension {
            Extension::DataFile(name) => Some(name.as_slice()),
            _ => None,
        });
    header.incompatible.contains(external).then_some(Reference {
        kind: ReferenceKind::DataFile,
        name,
        format: None,
        layer,
    })
}
