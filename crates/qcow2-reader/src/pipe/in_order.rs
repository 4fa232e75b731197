//! An image that arrives in the order of the disk.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Store, WriteAt};
use pipeline::ordered_map_with;
use qcow2_codec::Decoders;
use qcow2_format::{ClusterBits, GuestOffset, HostOffset};
use qcow2_map::{Error as ImageError, Mapping, Run, Structure};

use crate::error::Error;
use crate::image::Image;
use crate::options::{OpenOptions, UnpackOptions, UnpackReport};
use crate::source::pipe::Forward;
use crate::unpack::batch::{Batch, Batches};
use crate::unpack::load::{Buffers, Loaded, Piece};
use crate::unpack::look_ahead;
use crate::unpack::output::Output;

use super::checks::Checks;
use super::pending::is_too_long;

/// Whether the data of a disk with these `runs` comes in its order, past
/// `tables_end`, and how many bytes it is then. An entry that is wrong is found here.
pub(super) fn is_in_order(
    runs: impl Iterator<Item = Result<Run, ImageError>>,
    cluster_bits: ClusterBits,
    tables_end: u64,
) -> Result<Option<u64>, ImageError> {
    let mut data_bytes: u64 = 0;
    let mut floor = Floor::new(cluster_bits, tables_end);
    let mut last_stream = None;
    for run in runs {
        let run = run?;
        if floor.rise(&run).is_err() {
            return Ok(None);
        }
        if place(&run).is_some() {
            data_bytes = data_bytes.saturating_add(run.bytes());
        }
        if let Mapping::Compressed(stream) = run.mapping {
            let host = stream.host.0..stream.end();
            // To hold such an image against its refcounts takes the streams.
            if is_too_long(last_stream.as_ref(), &host) {
                return Ok(None);
            }
            last_stream = Some(host);
        }
    }
    Ok(Some(data_bytes))
}

/// Writes the disk with these `runs` in its order, and reads the input to its end.
pub(super) fn unpack<R, K, T, I>(
    input: &mut Forward<R, K>,
    runs: impl Fn() -> I,
    size: u64,
    checks: Checks,
    (target, options): (&T, &UnpackOptions<'_>),
) -> Result<UnpackReport, Error>
where
    R: io::Read + Send,
    K: Store,
    T: WriteAt + ?Sized,
    I: Iterator<Item = Result<Run, ImageError>> + Send,
{
    let mut output = Output::new(target, size, options.only_allocated)?;
    let mut job = Job {
        input,
        threads: options.threads,
        zeroes_min: output.zeroes_min(),
    };
    if options.only_allocated {
        let mut done = output.zero_all(runs())?;
        job.run(Batches::scattered(runs()), |piece| {
            output.put_anywhere(piece)?;
            done = done.saturating_add(piece.bytes());
            options.report(done, size)
        })?;
    } else {
        job.run(Batches::new(runs()), |piece| {
            output.put(piece)?;
            options.report(piece.end(), size)
        })?;
        output.zero_to(size)?;
    }
    input.keep_all()?;
    let image = Image::open(input.arrived(), &OpenOptions::default())?;
    checks.references(&image)?;
    let report = output.finish(size)?;
    options.report(size, size)?;
    Ok(report)
}

/// Data on its way from the pipe.
struct Job<'s, R, K> {
    input: &'s mut Forward<R, K>,
    threads: NonZeroUsize,
    zeroes_min: usize,
}

impl<R: io::Read + Send, K: Store> Job<'_, R, K> {
    /// Reads `batches` one by one, decodes them on all threads and hands them to
    /// `emit` in their order.
    fn run(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, Error>> + Send,
        mut emit: impl FnMut(&Piece<'_>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let (threads_max, batches) = look_ahead(batches);
        let buffers = Buffers::default();
        let input = &mut *self.input;
        let loaded = batches.map(|batch| Loaded::read(input, &batch?, &buffers, false));
        let zeroes_min = self.zeroes_min;
        ordered_map_with(
            self.threads.min(threads_max),
            loaded,
            Decoders::default,
            |decoders, loaded| loaded.decode(decoders, zeroes_min),
            |piece| emit(&piece),
        )
    }
}

/// What the data of a run is, and where it starts.
fn place(run: &Run) -> Option<(Structure, HostOffset)> {
    match run.mapping {
        Mapping::Unallocated | Mapping::Zero | Mapping::Lost => None,
        Mapping::Data { host } => Some((Structure::Data, host)),
        Mapping::Compressed(stream) => Some((Structure::Stream, stream.host)),
    }
}

/// What data can still be had.
struct Floor {
    cluster_bits: ClusterBits,
    /// All from this host offset on.
    position: u64,
    /// What is kept from the last stream to the end of its last cluster.
    kept: Range<u64>,
}

impl Floor {
    fn new(cluster_bits: ClusterBits, position: u64) -> Self {
        Self {
            cluster_bits,
            position,
            kept: 0..0,
        }
    }

    /// Takes the data of `run`, if it can still be had.
    fn rise(&mut self, run: &Run) -> Result<(), Error> {
        let Some((structure, host)) = place(run) else {
            return Ok(());
        };
        let start = host.0;
        match run.mapping {
            Mapping::Compressed(stream) if start >= self.position => {
                // How long a stream is shows when it is decoded, so what was
                // read of it is kept.
                self.position = start;
                let end = self.cluster_bits.round_up(stream.end());
                self.kept = start..end.unwrap_or(u64::MAX);
            }
            Mapping::Compressed(stream)
                if self.kept.contains(&start) && stream.end() <= self.kept.end =>
            {
                self.kept.start = start;
            }
            Mapping::Data { .. } if start >= self.position => {
                if start < self.kept.end {
                    self.kept = 0..0;
                }
                self.position = start.saturating_add(run.bytes());
            }
            _ => {
                return Err(Error::Passed {
                    structure,
                    guest: GuestOffset(run.guest.start),
                    host,
                    position: self.position,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qcow2_format::header::CompressionType;
    use qcow2_map::{Codec, Stream};

    fn data(index: u64, host: u64) -> Run {
        Run {
            guest: index * 512..(index + 1) * 512,
            file: 0,
            mapping: Mapping::Data {
                host: HostOffset(host),
            },
        }
    }

    fn stream(index: u64, host: u64, bytes: u64) -> Run {
        Run {
            guest: index * 512..(index + 1) * 512,
            file: 0,
            mapping: Mapping::Compressed(Stream {
                host: HostOffset(host),
                bytes,
                bytes_max: bytes,
                codec: Codec {
                    compression: CompressionType::Deflate,
                    cluster_bits: ClusterBits::MIN,
                },
            }),
        }
    }

    fn in_order(runs: &[Run]) -> bool {
        is_in_order(runs.iter().cloned().map(Ok), ClusterBits::MIN, 1024)
            .unwrap()
            .is_some()
    }

    #[test]
    fn data_that_ascends_is_in_order() {
        assert!(in_order(&[data(0, 1024), data(2, 1536), data(3, 9000)]));
        assert!(in_order(&[]));
        assert!(!in_order(&[data(0, 4096), data(2, 1536), data(3, 2048)]));
        assert!(!in_order(&[data(0, 1023)]));
        // Needed twice.
        assert!(!in_order(&[data(0, 2048), data(1, 2048)]));
    }

    #[test]
    fn a_stream_may_lie_in_the_rest_of_a_cluster_before_plain_ones() {
        assert!(in_order(&[
            stream(0, 1024, 100),
            data(1, 1536),
            data(2, 2048),
            stream(3, 1200, 300),
        ]));
        // Not in the one before, and not beyond what is kept.
        assert!(!in_order(&[
            stream(0, 1024, 100),
            stream(1, 1536, 100),
            stream(2, 1200, 300),
        ]));
        assert!(!in_order(&[
            stream(0, 1024, 100),
            data(1, 1536),
            stream(2, 1300, 300)
        ]));
    }

    #[test]
    fn a_wrong_entry_is_found() {
        let runs = [Ok(data(0, 1024)), Err(ImageError::MarkedCorrupt)];
        assert!(is_in_order(runs.into_iter(), ClusterBits::MIN, 0).is_err());
    }
}
