//! An image that arrives on a pipe, restored in one pass.
//!
//! What is read goes to a spool, at its place, unless it is data that is used at
//! once and that nothing else uses. So what is needed again is there, where the code
//! that looks things up in a file finds it, and the rest is not kept:
//!
//! - Where all tables come first, and the data in the order of the disk, the disk is
//!   written in its order, however much that is, and the spool holds the tables.
//! - Else the data is placed as it comes, as soon as its table is known; see
//!   [`placing`].
//! - Where the disk is wanted in its order all the same, what comes before it is wanted
//!   is kept; see [`pulling`].
//! - What needs the whole file gets it: the spool then holds all of it.

mod checks;
mod hints;
mod in_order;
mod pending;
mod placing;
mod pulling;
mod tables;
mod window;

use std::fmt;
use std::io;
use std::sync::Arc;

use blockio::{Store, WriteAt};
use qcow2_format::Header;
use qcow2_format::header::CryptMethod;
use qcow2_map::{
    Bounds, CLUSTER_BITS_END, Error as ImageError, ImageRuns, MappedDisk, Structure, TableCache,
    Tables, Walk, backing_file_of, check_supported, data_file_of, read_header,
};

use crate::error::Error;
use crate::image::Image;
use crate::options::{OpenOptions, UnpackOptions, UnpackReport};
use crate::source::pipe::Forward;
use crate::unpack::reflink::Sharing;

use checks::Checks;
use in_order::is_in_order;
use placing::Placing;
use pulling::Pulling;
use tables::{Ahead, TableList};

/// How an image that arrives on a pipe can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// In the order of the disk: its tables come first, and its data in that order.
    InOrder,
    /// In the order of the file: a target is needed that can be written at any
    /// place. What comes before its table is kept until then.
    AsItComes,
    /// When all of it is here.
    Whole,
}

/// An image that arrives on a pipe, read until it is known how it can be restored.
pub struct ImageStream<R, K> {
    input: Forward<R, K>,
    spool: Arc<K>,
    header: Header,
    disk: MappedDisk,
    options: OpenOptions,
    checks: Checks,
    /// Whether the disk is wanted in its order.
    ordered: bool,
    way: Way,
}

/// What is known of the tables.
enum Way {
    InOrder { tables: Tables, data_bytes: u64 },
    AsItComes { tables: Tables, list: TableList },
    Whole,
}

impl<R: io::Read + Send, K: Store> ImageStream<R, K> {
    /// Reads the header of the image that arrives on `input`, and its tables as far
    /// as they come before the data. What is needed again is kept in `spool`, which
    /// must be empty.
    ///
    /// # Errors
    ///
    /// As [`Image::open`](crate::Image::open), of what was read; the rest tells
    /// [`Self::unpack`].
    pub fn open(input: R, spool: K, options: &OpenOptions) -> Result<Self, Error> {
        let spool = Arc::new(spool);
        let mut input = Forward::new(input, Arc::clone(&spool));
        input.keep_to(blockio::len_u64(CLUSTER_BITS_END))?;
        let mut start = vec![0; CLUSTER_BITS_END];
        start.truncate(usize::try_from(input.position()).unwrap_or(CLUSTER_BITS_END));
        let failed = |source| Error::Spool { source };
        spool.read_at(0, &mut start).map_err(failed)?;
        input.keep_to(
            Header::cluster_bits_of(&start)
                .map_err(ImageError::from)?
                .bytes(),
        )?;
        let header = read_header(&input.arrived())?;
        check_supported(&header, options.salvage)?;
        if let Some(needed) = data_file_of(&header, 0).or_else(|| backing_file_of(&header, 0)) {
            return Err(Error::ReferenceFromPipe {
                kind: needed.kind,
                name: needed
                    .name
                    .map(|name| String::from_utf8_lossy(name).into_owned()),
            });
        }
        input.set_cluster_bytes(header.cluster_bits.bytes());
        let mut stream = Self {
            input,
            spool,
            disk: MappedDisk::active(&header),
            header,
            options: options.clone(),
            checks: Checks::default(),
            ordered: false,
            way: Way::Whole,
        };
        let whole = options.salvage
            || options.snapshot.is_some()
            || stream.header.crypt_method != CryptMethod::None;
        if !whole {
            stream.way = stream.find_way()?;
        }
        Ok(stream)
    }

    /// Reads the L1 table, and the L2 tables up to the first with data before the
    /// last.
    fn find_way(&mut self) -> Result<Way, Error> {
        let (header, disk) = (&self.header, &self.disk);
        let l1_bytes = disk.l1_bytes(header.geometry());
        let places = Bounds::new(header, disk, u64::MAX, false);
        let checked = places.check(Structure::L1Table, 0..disk.size, disk.l1_host, l1_bytes);
        let l1_end = disk.l1_host.0.saturating_add(l1_bytes);
        if checked.is_err() || l1_end > i64::MAX.unsigned_abs() {
            return Ok(Way::Whole);
        }
        self.input.keep_to(l1_end)?;
        if self.input.position() < l1_end {
            return Ok(Way::Whole);
        }
        let slices = Arc::new(TableCache::new(self.options.l2_cache_bytes, false));
        let tables = Tables::new(places, header, disk, slices)?;
        let Ok(list) = TableList::new(&*self.spool, &tables) else {
            return Ok(Way::Whole);
        };
        let tables_end = list.end().max(l1_end);
        let ahead = list.keep(&mut self.input, &self.spool, &tables, tables_end)?;
        let in_order = match ahead {
            Ahead::Data => Ok(None),
            Ahead::Tables => {
                let runs = ImageRuns::new(Walk::new(&*self.spool, &tables, 0..disk.size));
                is_in_order(runs, header.cluster_bits, tables_end)
            }
            Ahead::Nothing => return Ok(Way::Whole),
        };
        Ok(match in_order {
            Ok(Some(data_bytes)) => Way::InOrder { tables, data_bytes },
            Ok(None) => Way::AsItComes { tables, list },
            Err(_) => Way::Whole,
        })
    }

    /// Exact length of the disk, in bytes. That of the active one, where a snapshot
    /// is to be restored.
    pub fn size(&self) -> u64 {
        self.disk.size
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the image can be restored.
    pub fn arrival(&self) -> Arrival {
        match self.way {
            Way::InOrder { .. } => Arrival::InOrder,
            Way::AsItComes { .. } => Arrival::AsItComes,
            Way::Whole => Arrival::Whole,
        }
    }

    /// Host offset up to which tables come: data before it may have to be kept.
    pub fn tables_end(&self) -> Option<u64> {
        match &self.way {
            Way::AsItComes { list, .. } => Some(list.end()),
            Way::InOrder { .. } | Way::Whole => None,
        }
    }

    /// Bytes of the disk that the image has data for, as its tables say. `None` where
    /// they are not here yet.
    pub fn data_bytes(&self) -> Option<u64> {
        match &self.way {
            Way::InOrder { data_bytes, .. } => Some(*data_bytes),
            Way::AsItComes { .. } | Way::Whole => None,
        }
    }

    /// Lets [`Self::unpack`] refuse an image with more bytes of data than this.
    pub fn limit_data(&mut self, most: u64) {
        self.checks.data_max = Some(most);
    }

    /// Lets [`Self::unpack`] compare the refcounts with what the disk uses, once all of
    /// the image is here, as [`Image::check_references`](crate::Image::check_references)
    /// does.
    pub fn check_references(&mut self) {
        self.checks.references = true;
    }

    /// Lets [`Self::unpack`] write the disk in its order, for a target that can be
    /// written in no other. More is kept for that.
    pub fn write_in_order(&mut self) {
        self.ordered = true;
    }

    /// Reads the input to its end: the spool then holds the image, as a file.
    ///
    /// # Errors
    ///
    /// [`Error::Arrival`] and [`Error::Spool`].
    pub fn keep_all(mut self) -> Result<(), Error> {
        self.input.keep_all()
    }

    /// Writes the whole disk to `target` as
    /// [`Image::unpack`](crate::Image::unpack) does, and reads the input to its
    /// end.
    ///
    /// The order is that of [`Self::arrival`]. Where that is
    /// [`Arrival::AsItComes`], a target that can be written at any place is needed,
    /// or [`Self::write_in_order`].
    ///
    /// # Errors
    ///
    /// Those of [`Image::open`](crate::Image::open),
    /// [`Image::check_references`](crate::Image::check_references) and
    /// [`Image::unpack`](crate::Image::unpack), when parts of the disk may have been
    /// written; [`Error::TooMuchData`] above [`Self::limit_data`].
    pub fn unpack<T: WriteAt + ?Sized>(
        self,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        Sharing::new(options.reflink, &[], self.header.cluster_bits)?;
        let Self {
            mut input,
            spool,
            header,
            disk,
            options: open_options,
            checks,
            ordered,
            way,
        } = self;
        Sharing::new(options.reflink, &[], header.cluster_bits)?;
        match way {
            Way::InOrder { tables, data_bytes } => {
                let runs = || ImageRuns::new(Walk::new(&*spool, &tables, 0..disk.size));
                checks.data(|_| Ok(data_bytes))?;
                in_order::unpack(&mut input, runs, disk.size, checks, (target, options))
            }
            Way::AsItComes { tables, .. } if ordered && !options.only_allocated => {
                let pulling = Pulling::new(&mut input, &*spool, &header, &tables, checks);
                pulling.unpack(disk.size, target, options)
            }
            Way::AsItComes { tables, list } => {
                let placing = Placing::new(&mut input, &*spool, &header, &tables, list, checks);
                placing.unpack(disk.size, target, options)
            }
            Way::Whole => {
                input.keep_all()?;
                let image = Image::open(input.arrived(), &open_options)?;
                if !open_options.salvage {
                    // What is wrong is told before anything is written.
                    let known = checks.references(&image)?.data_bytes_max;
                    if known.is_none_or(|known| checks.data_max.is_some_and(|max| known > max)) {
                        checks.data(|most| image.data_bytes(most))?;
                        image.data_bytes(u64::MAX)?;
                    }
                }
                image.unpack(target, options)
            }
        }
    }
}

impl<R, K> fmt::Debug for ImageStream<R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStream")
            .field("size", &self.disk.size)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
