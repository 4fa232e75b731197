//! In which order the data of an image can be taken from a pipe.

use std::ops::Range;

use qcow2_format::{ClusterBits, GuestOffset, HostOffset};

use crate::runs::{Mapping, Run};
use crate::{Error, Structure};

/// Most runs that are sorted: 32 MiB of them.
const RUNS_MAX: usize = (32 << 20) / size_of::<Run>();

/// The order in which the data is taken.
#[derive(Debug)]
pub(super) enum Order {
    /// The order of the disk: the file has it in the same one.
    Disk,
    /// That of the file: these runs of data.
    File(Vec<Run>),
}

impl Order {
    /// The order for a disk with these `runs`, whose data lies behind
    /// `tables_end`. An entry that is wrong is found here, before anything is
    /// written.
    pub(super) fn of<I>(
        runs: impl Fn() -> I,
        cluster_bits: ClusterBits,
        tables_end: u64,
    ) -> Result<Self, Error>
    where
        I: Iterator<Item = Result<Run, Error>>,
    {
        let mut floor = Floor::new(cluster_bits, tables_end);
        let mut ascending = true;
        for run in runs() {
            ascending = floor.rise(&run?).is_ok();
            if !ascending {
                break;
            }
        }
        if ascending {
            return Ok(Self::Disk);
        }
        let data = runs().filter(|run| !run.as_ref().is_ok_and(|run| place(run).is_none()));
        let mut sorted = data
            .take(RUNS_MAX.saturating_add(1))
            .collect::<Result<Vec<_>, _>>()?;
        if sorted.len() > RUNS_MAX {
            return Err(Error::Scattered { runs_max: RUNS_MAX });
        }
        sorted.sort_unstable_by_key(|run| (place(run).map(|(_, host)| host), run.guest.start));
        let mut floor = Floor::new(cluster_bits, tables_end);
        sorted.iter().try_for_each(|run| floor.rise(run))?;
        Ok(Self::File(sorted))
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
    use crate::places::{Codec, Stream};
    use qcow2_format::header::CompressionType;

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

    fn order(runs: &[Run]) -> Result<Order, Error> {
        Order::of(|| runs.iter().cloned().map(Ok), ClusterBits::MIN, 1024)
    }

    #[test]
    fn the_order_of_the_disk_is_kept_where_the_file_has_it() {
        let runs = [data(0, 1024), data(2, 1536), data(3, 9000)];
        assert!(matches!(order(&runs), Ok(Order::Disk)));
        assert!(matches!(order(&[]), Ok(Order::Disk)));
    }

    #[test]
    fn a_stream_may_lie_in_the_rest_of_a_cluster_before_plain_ones() {
        let runs = [
            stream(0, 1024, 100),
            data(1, 1536),
            data(2, 2048),
            stream(3, 1200, 300),
        ];
        assert!(matches!(order(&runs), Ok(Order::Disk)));
        // Not in the one before, and not beyond what is kept.
        let runs = [
            stream(0, 1024, 100),
            stream(1, 1536, 100),
            stream(2, 1200, 300),
        ];
        assert!(matches!(order(&runs), Ok(Order::File(_))));
        let runs = [stream(0, 1024, 100), data(1, 1536), stream(2, 1300, 300)];
        assert!(matches!(order(&runs), Ok(Order::File(_))));
    }

    #[test]
    fn else_runs_are_sorted_by_their_place_in_the_file() {
        let Ok(Order::File(sorted)) = order(&[data(0, 4096), data(2, 1536), data(3, 2048)]) else {
            panic!("not sorted");
        };
        assert_eq!(sorted, [data(2, 1536), data(3, 2048), data(0, 4096)]);
    }

    #[test]
    fn data_that_is_needed_twice_is_refused() {
        let error = order(&[data(0, 2048), data(1, 1024), data(7, 1024)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "data of guest offset 0xe00 lies at host offset 0x400, which a pipe has passed when it is needed, at 0x600: save the image to a file and unpack that"
        );
    }

    #[test]
    fn more_runs_than_fit_are_refused() {
        let runs =
            |count: u64| move || (0..count).map(move |at| Ok(data(2 * at, (count - at) << 20)));
        let max = u64::try_from(RUNS_MAX).unwrap();
        assert!(matches!(
            Order::of(runs(max), ClusterBits::MIN, 0),
            Ok(Order::File(_))
        ));
        let error = Order::of(runs(max + 1), ClusterBits::MIN, 0).unwrap_err();
        assert!(matches!(error, Error::Scattered { runs_max: RUNS_MAX }));
    }
}
