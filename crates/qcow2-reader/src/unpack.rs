//! Back to raw: the whole disk of an image, written somewhere else.

pub(crate) mod batch;
pub(crate) mod load;
pub(crate) mod output;
pub(crate) mod reflink;
pub(crate) mod segment;

use std::io;
use std::iter;
use std::num::NonZeroUsize;

use blockio::{ReadAt, Reflink, WriteAt};
use pipeline::ordered_map_with;
use qcow2_codec::Decoders;
use qcow2_map::{Mapping, Run};

use crate::error::Error;
use crate::image::Image;
use crate::options::{UnpackOptions, UnpackReport};
use crate::unpack::batch::{Batch, Batches};
use crate::unpack::load::{Buffers, Loaded, Piece};
use crate::unpack::output::Output;
use crate::unpack::reflink::Sharing;

/// Threads that are worth having for plain images: they only copy from the page
/// cache and look for zeros, which outruns any storage, and each holds three
/// batches.
const COPIERS_MAX: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Most threads that decode: with three batches and the streams of one more for
/// each, they stay within 64 MiB where clusters are small.
const DECODERS_MAX: NonZeroUsize = NonZeroUsize::new(24).unwrap();

/// The first batches tell whether there is anything to decode.
const LOOKED_AT: usize = 16;

impl<S: ReadAt> Image<S> {
    /// Writes the whole disk to `target`, in ascending order, and makes the
    /// target exactly as long as the disk; or only what is allocated, zeros
    /// first, where `options` say so.
    ///
    /// Bytes that are zero are left out where the target starts zeroed, and
    /// made zero elsewhere. Nothing is synced.
    ///
    /// # Errors
    ///
    /// The first in the order of the disk: a damaged or unsupported part of the
    /// image, or a failed read or write. The target then holds a part.
    /// [`Error::Resize`] before anything is written where the target is too small,
    /// [`Error::Share`] if it has to share blocks and cannot.
    pub fn unpack<T: WriteAt + ?Sized>(
        &self,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        let size = self.size();
        let sharing = Sharing::new(
            options.reflink,
            &self.shareable_files(),
            self.header().cluster_bits,
        )?;
        let job = Job {
            image: self,
            options,
            buffers: Buffers::default(),
            sharing,
        };
        let mut output = Output::new(target, size, options.only_allocated)?;
        if self.is_salvaged() {
            for run in self.runs(0..size) {
                let run = run?;
                if run.mapping == Mapping::Lost {
                    output.lose(run.guest);
                }
            }
        }
        if options.only_allocated {
            output.zero_all(self.own_runs())?;
        }
        job.run(&mut output)?;
        if !options.only_allocated {
            output.zero_to(size)?;
        }
        let report = output.finish(size)?;
        options.report(size, size)?;
        Ok(report)
    }
}

/// A disk on its way out of an image.
struct Job<'j, S> {
    image: &'j Image<S>,
    options: &'j UnpackOptions<'j>,
    buffers: Buffers,
    sharing: Option<Sharing>,
}

/// What becomes of a batch.
enum Product<'p> {
    Piece(Piece<'p>),
    /// A run of plain data to be shared.
    Share(Run),
}

impl<S: ReadAt> Job<'_, S> {
    fn run<T: WriteAt + ?Sized>(&self, output: &mut Output<'_, T>) -> Result<(), Error> {
        let batches = if self.options.only_allocated {
            Batches::scattered(self.image.own_runs())
        } else {
            Batches::new(self.image.runs(0..self.image.size()))
        };
        let (threads_max, batches) = look_ahead(batches.with_shareable(self.sharing.as_ref()));
        let zeroes_min = output.zeroes_min();
        ordered_map_with(
            self.options.threads.min(threads_max),
            batches,
            Decoders::default,
            |decoders, batch| match batch.shareable() {
                Some(run) => Ok(Product::Share(run)),
                None => self.piece(decoders, &batch, zeroes_min).map(Product::Piece),
            },
            |product| match product {
                Product::Piece(piece) => self.put(&piece, output),
                Product::Share(run) => self.share(run, output),
            },
        )
    }

    fn piece(
        &self,
        decoders: &mut Decoders,
        batch: &Batch,
        zeroes_min: usize,
    ) -> Result<Piece<'_>, Error> {
        let mut source = self.image.source();
        let salvage = self.image.is_salvaged();
        let loaded = Loaded::read(&mut source, batch, &self.buffers, salvage)?;
        loaded.decode(decoders, zeroes_min)
    }

    fn put<T: WriteAt + ?Sized>(
        &self,
        piece: &Piece<'_>,
        output: &mut Output<'_, T>,
    ) -> Result<(), Error> {
        output.put(piece)?;
        self.options.report(piece.end(), self.image.size())
    }

    /// Shares a run of plain data, or copies it where the target cannot and
    /// need not share it.
    fn share<T: WriteAt + ?Sized>(
        &self,
        run: Run,
        output: &mut Output<'_, T>,
    ) -> Result<(), Error> {
        let file = self.image.files().get(run.file).and_then(ReadAt::handle);
        let (Some(sharing), Some(file), Mapping::Data { host }) =
            (&self.sharing, file, run.mapping)
        else {
            return self.copy(run, output);
        };
        if !sharing.is_refused() {
            match output.share(&run.guest, file, host) {
                Ok(()) => {
                    return self.options.report(run.guest.end, self.image.size());
                }
                Err(Error::Share { source, .. })
                    if source.kind() == io::ErrorKind::Unsupported
                        && self.options.reflink == Reflink::Auto =>
                {
                    sharing.refuse();
                }
                Err(error) => return Err(error),
            }
        }
        self.copy(run, output)
    }

    /// Copies a run while the other threads have nothing to do but to wait.
    fn copy<T: WriteAt + ?Sized>(&self, run: Run, output: &mut Output<'_, T>) -> Result<(), Error> {
        let zeroes_min = output.zeroes_min();
        ordered_map_with(
            self.options.threads.min(COPIERS_MAX),
            Batches::after(run.guest.start, iter::once(Ok(run))),
            Decoders::default,
            |decoders, batch| self.piece(decoders, &batch, zeroes_min),
            |piece| self.put(&piece, output),
        )
    }
}

/// Threads that are worth having for these batches, which follow.
pub(crate) fn look_ahead<I>(mut batches: I) -> (NonZeroUsize, impl Iterator<Item = I::Item>)
where
    I: Iterator<Item = Result<Batch, Error>>,
{
    let first: Vec<_> = batches.by_ref().take(LOOKED_AT).collect();
    let compressed = first
        .iter()
        .flatten()
        .any(|batch| batch.streams().next().is_some());
    let threads_max = if compressed {
        DECODERS_MAX
    } else {
        COPIERS_MAX
    };
    (threads_max, first.into_iter().chain(batches))
}
