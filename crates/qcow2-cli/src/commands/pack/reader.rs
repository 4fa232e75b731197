//! The bytes of a source, with what is lost in a damaged image as zeros if that is
//! tolerated.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blockio::salvage::Lost;
use blockio::{Handle, ReadAt, len_u64};
use ext_blocks::Fingerprint;
use hostdisk::{Direct, Freeze};
use qcow2_reader::Image;

use disk_layout::table::Patch;

use super::grown::Grown;
use crate::commands::partition::{Part, Place};
use crate::source::{Opening, SHORTER};

/// The disk itself.
pub(super) struct Reader {
    pub(super) disk: Opening,
    /// The part of it that is packed.
    pub(super) place: Place,
    /// The length of the disk that is packed: at least that of the part.
    pub(super) size: u64,
    /// What replaces bytes of it.
    pub(super) patches: Vec<Patch>,
    /// It is read past the page cache.
    pub(super) direct: Option<Direct>,
    pub(super) freeze: Option<Freeze>,
    /// What was frozen may change again.
    pub(super) released: AtomicBool,
}

impl Reader {
    fn bytes(&self) -> io::Result<Grown<'_, Part<&dyn ReadAt>>> {
        self.part_of(match &self.direct {
            Some(direct) => direct,
            None => &self.disk,
        })
    }

    /// Returns the part of `disk` that is packed; it is another view of the source.
    pub(super) fn part_of<R: ReadAt>(&self, disk: R) -> io::Result<Grown<'_, Part<R>>> {
        let part = self.place.on(disk);
        let part = part.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, SHORTER));
        Ok(self.grown(part?))
    }

    /// Returns the disk that is packed, of which the source has the bytes `part`.
    pub(super) fn grown<R: ReadAt>(&self, part: R) -> Grown<'_, R> {
        Grown::new(part, self.size, &self.patches)
    }

    /// What its filesystem is now; nothing where that cannot be read.
    pub(super) fn moment(&self) -> Option<Fingerprint> {
        Fingerprint::of(self).ok().flatten()
    }
}

impl ReadAt for Reader {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if let Some(freeze) = &self.freeze {
            if self.released.load(Ordering::Acquire) {
                return Err(io::Error::other("the filesystem is no longer frozen"));
            }
            freeze.beat();
        }
        self.bytes()?.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.bytes()?.next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        // A handle has the offsets of the whole.
        let whole: &dyn ReadAt = match &self.direct {
            Some(direct) => direct,
            None => &self.disk,
        };
        let is_plain = self.place.is_at_start() && self.patches.is_empty();
        whole.handle().filter(|_| is_plain)
    }
}

/// The disk in a damaged image: what is lost reads as zeros and is remembered.
pub(super) struct SalvagedImage {
    pub(super) reader: Reader,
    lost: Mutex<Lost>,
}

impl SalvagedImage {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            lost: Mutex::new(Lost::new(reader.size())),
            reader,
        }
    }

    /// What was lost so far.
    pub(super) fn lost(&self) -> Lost {
        self.guard().clone()
    }

    /// Returns `image`, the same once more, to compare it with what was read: parts
    /// lost so far read as zeros, and nothing else may be lost.
    pub(super) fn again<S: ReadAt>(&self, image: Image<S>) -> SalvagedAgain<S> {
        SalvagedAgain {
            image,
            place: self.reader.place.clone(),
            lost: self.lost(),
        }
    }

    fn guard(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for SalvagedImage {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.reader.grown(Zeroed(self)).read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.reader.next_data(from)
    }
}

/// The part of a damaged image that is packed.
struct Zeroed<'a>(&'a SalvagedImage);

impl ReadAt for Zeroed<'_> {
    fn size(&self) -> u64 {
        self.0.reader.place.bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let Self(salvaged) = self;
        match &salvaged.reader.disk {
            Opening::Raw(_) => salvaged.reader.read_at(offset, buf),
            Opening::Image(chain) => {
                let lose = |range| salvaged.guard().insert(range);
                read_salvaged(&chain.image, &salvaged.reader.place, offset, buf, lose)
            }
        }
    }
}

/// A damaged image that is read again.
pub(super) struct SalvagedAgain<S> {
    image: Image<S>,
    place: Place,
    lost: Lost,
}

/// Reads the part of `image` that `place` is, and gives what is lost of it to `lose`.
fn read_salvaged<S: ReadAt>(
    image: &Image<S>,
    place: &Place,
    offset: u64,
    buf: &mut [u8],
    mut lose: impl FnMut(Range<u64>),
) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = offset.checked_add(len_u64(buf.len()));
    let end = end.ok_or_else(missing)?;
    let (mut rest, mut at) = (buf, offset);
    while at < end {
        let (piece, whole) = place.piece(&(at..end)).ok_or_else(missing)?;
        let length = usize::try_from(piece.end.saturating_sub(at)).map_err(|_| missing())?;
        let (now, after) = rest.split_at_mut_checked(length).ok_or_else(missing)?;
        image.read_salvaged(whole, now, |range| {
            let in_part = |byte: u64| at.saturating_add(byte.saturating_sub(whole));
            lose(in_part(range.start)..in_part(range.end));
        })?;
        (rest, at) = (after, piece.end);
    }
    Ok(())
}

impl<S: ReadAt> ReadAt for SalvagedAgain<S> {
    fn size(&self) -> u64 {
        self.place.bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut failed = None;
        read_salvaged(&self.image, &self.place, offset, buf, |range| {
            let mut pieces = self.lost.pieces(range).into_iter();
            let more = pieces.find(|(_, was_lost)| !was_lost);
            failed = failed.take().or(more.map(|(range, _)| range));
        })?;
        if let Some(Range { start, end }) = failed {
            let message = format!("bytes {start:#x} to {end:#x} of the disk are lost now");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        for (range, was_lost) in self
            .lost
            .pieces(offset..offset.saturating_add(len_u64(buf.len())))
        {
            if was_lost {
                let index =
                    |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
                buf[index(range.start)..index(range.end)].fill(0);
            }
        }
        Ok(())
    }
}
