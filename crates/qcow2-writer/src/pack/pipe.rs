//! A whole disk, as an image that is written from front to end.

use std::ops::Range;

use blockio::{Holes, ReadAt, Reflink, Store, Tiling, WriteAt, len_u64};
use qcow2_format::HostOffset;

use crate::error::Error;
use crate::image::ImageWriter;
use crate::options::PackOptions;
use crate::pack::batch::Content;
use crate::pack::begin::{Begun, begin, needed};
use crate::pack::budget::{BATCH_BYTES, load_each};
use crate::pack::meter::Meter;
use crate::pack::pack;
use crate::pack::report::{PackReport, Stored};
use crate::units::{cut, to_usize};

/// Writes the bytes of `source` that are in use as an image, as
/// [`pack()`](crate::pack()) does and with the same bytes, to a `target` that is
/// written once, from front to end, such as a pipe.
///
/// The tables at the front of an image depend on which clusters hold nothing but
/// zeros, so the data of `source` is read twice. The first time the tables are
/// made in `spool`, which is empty scratch space, at the places they have in the
/// image; the second time all is written. An image with compressed clusters or
/// extended L2 entries is made in `spool` as a whole, and then copied. Nothing is synced,
/// or shared.
///
/// # Errors
///
/// As [`pack()`](crate::pack()); [`Error::SourceChanged`] where the source held
/// other clusters of zeros the second time; [`Error::NoReflink`] with
/// [`Reflink::Always`]. What was written is not a whole image then.
///
/// # Example
///
/// ```
/// use blockio::{AllData, MemoryDisk};
/// use hostdisk::StreamTarget;
/// use qcow2_writer::{PackOptions, pack_to_pipe};
///
/// let disk = vec![1; 1 << 20];
/// let pipe = StreamTarget::new(Vec::new());
/// let report = pack_to_pipe(
///     &disk,
///     &AllData,
///     &MemoryDisk::default(),
///     &pipe,
///     &PackOptions::default(),
/// )?;
/// assert_eq!(pipe.into_inner().len() as u64, report.image_bytes);
/// # Ok::<(), qcow2_writer::Error>(())
/// ```
pub fn pack_to_pipe<S, G, K, T>(
    source: &S,
    tiling: &G,
    spool: &K,
    target: &T,
    options: &PackOptions<'_>,
) -> Result<PackReport, Error>
where
    S: ReadAt + ?Sized,
    K: Store + ?Sized,
    T: WriteAt + ?Sized,
    G: Tiling + ?Sized,
{
    if options.reflink == Reflink::Always {
        return Err(Error::NoReflink {
            why: "it is written from front to end",
        });
    }
    if options.compression.is_some() || options.extended_l2 {
        return send_packed(source, tiling, spool, target, options);
    }
    let First {
        mut meter,
        writer,
        data,
        report,
    } = first_pass(source, tiling, spool, options).map_err(in_spool)?;

    // Tables that stayed empty may be all there is past the refcounts.
    let front_end = data.start.min(report.image_bytes);
    send_stored(spool, target, 0..front_end)?;
    let mut second = SecondPass {
        writer,
        target,
        next: data.start,
        guest_end: 0,
        unit: options.cluster_bits.bytes(),
    };
    let layout = *second.writer.layout();
    let used = needed(source, tiling, options);
    load_each(source, used, &layout, options, |loaded| {
        for (guest, bytes) in loaded.runs() {
            second.send(guest, bytes)?;
        }
        meter.add(loaded.data_bytes)
    })?;
    if second.next != data.end {
        return Err(changed(second.guest_end..source.size()));
    }
    meter.tell()?;
    if data.end < report.image_bytes {
        send_stored(spool, target, data.end..report.image_bytes)?;
    }
    end(target, report.image_bytes)?;
    Ok(report)
}

/// Makes the image in `spool` and copies it.
fn send_packed<S, G, K, T>(
    source: &S,
    tiling: &G,
    spool: &K,
    target: &T,
    options: &PackOptions<'_>,
) -> Result<PackReport, Error>
where
    S: ReadAt + ?Sized,
    K: Store + ?Sized,
    T: WriteAt + ?Sized,
    G: Tiling + ?Sized,
{
    let unsynced = PackOptions {
        sync: false,
        ..*options
    };
    let report = pack(source, tiling, spool, &unsynced).map_err(in_spool)?;
    send_stored(spool, target, 0..report.image_bytes)?;
    end(target, report.image_bytes)?;
    Ok(report)
}

/// Makes `target` as long as the image.
fn end<T: WriteAt + ?Sized>(target: &T, image_bytes: u64) -> Result<(), Error> {
    target
        .set_size(image_bytes)
        .map_err(failed("the end", image_bytes))
}

/// What the first pass found.
struct First<'k, 'o, K: ?Sized> {
    meter: Meter<'o>,
    /// Knows the places of all clusters.
    writer: ImageWriter<&'k K>,
    /// Where in the image the data goes.
    data: Range<u64>,
    report: PackReport,
}

/// Makes the tables of the image in `spool`, which keeps none of the data.
fn first_pass<'k, 'o, S, G, K>(
    source: &S,
    tiling: &G,
    spool: &'k K,
    options: &'o PackOptions<'o>,
) -> Result<First<'k, 'o, K>, Error>
where
    S: ReadAt + ?Sized,
    K: Store + ?Sized,
    G: Tiling + ?Sized,
{
    let unsynced = PackOptions {
        sync: false,
        ..*options
    };
    let Begun {
        mut writer,
        used_bytes,
        data_bytes,
        ..
    } = begin(source, tiling, spool, &unsynced)?;
    let mut meter = Meter::new(data_bytes.saturating_mul(2), options);
    let start = writer.next_place();
    let layout = *writer.layout();
    let used = needed(source, tiling, options);
    load_each(source, used, &layout, options, |loaded| {
        for content in loaded.contents() {
            let (run, is_data) = match content {
                Content::Data(guest, bytes) => (guest..guest + len_u64(bytes.len()), true),
                Content::Zeros(guest) => (guest, false),
            };
            // Nothing but data is sent between the front and the refcounts.
            if !writer.has_tables(&run) {
                return Err(changed(run));
            }
            if is_data {
                writer.place(run)?;
            } else {
                writer.put_zeros(run)?;
            }
        }
        meter.add(loaded.data_bytes)
    })?;
    let data = start.0..writer.next_place().0;
    let image = writer.complete()?;
    Ok(First {
        meter,
        writer,
        data,
        report: Stored {
            image,
            compressed_clusters: 0,
            reflinked_bytes: 0,
        }
        .report(source.size(), used_bytes),
    })
}

/// The data on its way from the source to the target.
struct SecondPass<'k, 't, K: ?Sized, T: ?Sized> {
    /// Knows what the first pass found.
    writer: ImageWriter<&'k K>,
    target: &'t T,
    /// Where the next cluster goes.
    next: u64,
    /// The end of the last cluster that went.
    guest_end: u64,
    /// Size of a cluster in bytes.
    unit: u64,
}

impl<K: Store + ?Sized, T: WriteAt + ?Sized> SecondPass<'_, '_, K, T> {
    /// Writes `bytes`, the whole clusters at `guest`, if it is their turn.
    fn send(&mut self, guest: u64, bytes: &[u8]) -> Result<(), Error> {
        let start = self.next;
        for cluster in cut(guest..guest + len_u64(bytes.len()), self.unit) {
            match self.writer.place_of(cluster.start)? {
                Some(place) if place.0 == self.next => {}
                Some(_) => return Err(changed(self.guest_end..cluster.start)),
                None => return Err(changed(cluster)),
            }
            self.next += self.unit;
            self.guest_end = cluster.end;
        }
        self.target
            .write_at(start, bytes)
            .map_err(failed("data", start))
    }
}

/// Writes what `spool` holds of `range` to the same place of `target`, in order.
fn send_stored<K, T>(spool: &K, target: &T, range: Range<u64>) -> Result<(), Error>
where
    K: ReadAt + ?Sized,
    T: WriteAt + ?Sized,
{
    let structure = "the tables";
    let lost = |offset| {
        move |source| Error::ReadSpool {
            offset: HostOffset(offset),
            source,
        }
    };
    let mut buffer = vec![0; to_usize(BATCH_BYTES.min(range.end - range.start))];
    let holes = Holes::new();
    let mut at = range.start;
    while at < range.end {
        let data = match holes.next_data(spool, at).map_err(lost(at))? {
            Some(data) => data.start..data.end.min(range.end),
            None => range.end..range.end,
        };
        let hole_end = data.start.min(range.end);
        target
            .write_zeroes(at, hole_end - at)
            .map_err(failed(structure, at))?;
        at = hole_end;
        for part in cut(data, BATCH_BYTES) {
            let bytes = &mut buffer[..to_usize(part.end - part.start)];
            spool.read_at(part.start, bytes).map_err(lost(part.start))?;
            target
                .write_at(part.start, bytes)
                .map_err(failed(structure, part.start))?;
            at = part.end;
        }
    }
    Ok(())
}

/// An error of writing an image, of one that is made in the spool.
fn in_spool(error: Error) -> Error {
    match error {
        Error::WriteImage { offset, source, .. } => Error::WriteSpool { offset, source },
        error => error,
    }
}

/// The error for guest bytes that were zeros in one pass only.
fn changed(guest: Range<u64>) -> Error {
    Error::SourceChanged {
        start: guest.start,
        length: guest.end - guest.start,
    }
}

/// For `map_err`: `structure` could not be written at `offset`.
fn failed(structure: &'static str, offset: u64) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::WriteImage {
        structure,
        offset: HostOffset(offset),
        source,
    }
}
