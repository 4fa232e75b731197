//! A file that arrives on a pipe: it can only be read forward.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{Store, len_u64, nonzero_runs};
use qcow2_format::{GuestOffset, HostOffset};
use qcow2_map::{Error as ImageError, Structure, in_memory};

use crate::error::Error;
use crate::source::Source;
use crate::source::arrived::{Arrived, Dropped};
use crate::unpack::segment::BLOCK_BYTES;

/// Bytes that are passed at once.
const PASSED_BYTES: usize = 64 << 10;

/// A file that is read from its start to its end. What is passed over goes to a
/// spool, at its place.
#[derive(Debug)]
pub(crate) struct Forward<R, K> {
    input: R,
    spool: Arc<K>,
    /// What was read and is not in the spool.
    dropped: Dropped,
    /// Host offset of the next byte of the input.
    position: u64,
    /// The streams read last: those that follow may start within them, or in
    /// what is left of their last cluster, though plain clusters come between.
    kept: Vec<u8>,
    /// Host offset of the first byte that is kept.
    kept_start: u64,
    /// Length of a cluster, once it is known.
    cluster_bytes: u64,
    ended: bool,
}

impl<R: io::Read, K: Store> Forward<R, K> {
    pub(crate) fn new(input: R, spool: Arc<K>) -> Self {
        Self {
            input,
            spool,
            dropped: Dropped::default(),
            position: 0,
            kept: Vec::new(),
            kept_start: 0,
            cluster_bytes: 1,
            ended: false,
        }
    }

    /// From now on clusters are `cluster_bytes` long.
    pub(crate) fn set_cluster_bytes(&mut self, cluster_bytes: u64) {
        self.cluster_bytes = cluster_bytes;
    }

    /// Host offset of the next byte of the input.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the input has no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What was read so far, except for what was dropped, as a file.
    pub(crate) fn arrived(&self) -> Arrived<'_, K> {
        Arrived::new(&self.spool, &self.dropped, self.position)
    }

    /// Reads up to `host`, or to the end of the file, and keeps it.
    pub(crate) fn keep_to(&mut self, host: u64) -> Result<(), Error> {
        if self.position >= host || self.ended {
            return Ok(());
        }
        let mut passed = vec![0; PASSED_BYTES];
        while self.position < host && !self.ended {
            let start = self.position;
            let length = in_memory(host.saturating_sub(start)).min(PASSED_BYTES);
            let there = self.fill(&mut passed[..length])?;
            self.keep(start, &passed[..there])?;
        }
        let failed = |source| Error::Spool { source };
        let size = self.position.max(self.spool.size());
        self.spool.set_size(size).map_err(failed)
    }

    /// Reads the input to its end and keeps it: who writes it must not find the pipe
    /// closed.
    pub(crate) fn keep_all(&mut self) -> Result<(), Error> {
        self.keep_to(u64::MAX)?;
        let failed = |source| Error::Spool { source };
        let size = self.position.max(self.spool.size());
        self.spool.set_size(size).map_err(failed)
    }

    /// Keeps `bytes`, which were read at `host`.
    pub(crate) fn keep(&self, host: u64, bytes: &[u8]) -> Result<(), Error> {
        for run in nonzero_runs(bytes, in_memory(BLOCK_BYTES)) {
            let at = host.saturating_add(len_u64(run.start));
            self.spool
                .write_at(at, &bytes[run])
                .map_err(|source| Error::Spool { source })?;
        }
        Ok(())
    }

    /// Notes that what was read last, from `host` on, is not kept; or keeps it, where
    /// there is too much to note.
    pub(crate) fn drop_read(&mut self, host: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = host.saturating_add(len_u64(bytes.len()));
        if self.dropped.add(host..end) {
            return Ok(());
        }
        self.keep(host, bytes)
    }

    /// Fills `bytes`, which hold a part of `structure` at `host` for the bytes
    /// `guest`. The file must not end before.
    pub(crate) fn read_exact(
        &mut self,
        structure: Structure,
        guest: &Range<u64>,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let there = self.read(structure, guest.start, host, bytes)?;
        if there == bytes.len() {
            return Ok(());
        }
        Err(Error::Image(ImageError::Truncated {
            structure,
            guest: guest.clone(),
            host: HostOffset(host),
            end: host.saturating_add(len_u64(bytes.len())),
            file_bytes: self.position,
        }))
    }

    /// Fills `bytes` from `host` on, and says how many there are: fewer only
    /// where the file ends.
    fn read(
        &mut self,
        structure: Structure,
        guest: u64,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        let (from_kept, from_input) = {
            let kept = self.kept_from(host);
            let (from_kept, from_input) = bytes.split_at_mut(kept.len().min(bytes.len()));
            from_kept.copy_from_slice(&kept[..from_kept.len()]);
            (from_kept.len(), from_input)
        };
        if from_input.is_empty() {
            return Ok(from_kept);
        }
        let next = host.saturating_add(len_u64(from_kept));
        if next < self.position {
            return Err(Error::Passed {
                structure,
                guest: GuestOffset(guest),
                host: HostOffset(host),
                position: self.position,
            });
        }
        self.keep_rest_of_cluster(next)?;
        self.keep_to(next)?;
        let read = self.fill(from_input)?;
        self.drop_read(next, &from_input[..read])?;
        Ok(from_kept.saturating_add(read))
    }

    /// What is kept from `host` on.
    fn kept_from(&self, host: u64) -> &[u8] {
        let skipped = host.checked_sub(self.kept_start);
        let skipped = skipped.and_then(|skipped| usize::try_from(skipped).ok());
        let kept = skipped.and_then(|skipped| self.kept.get(skipped..));
        kept.unwrap_or_default()
    }

    /// Before what lies after the cluster of the last streams is read, keeps
    /// the rest of it: a stream that fits may be there.
    fn keep_rest_of_cluster(&mut self, next: u64) -> Result<(), Error> {
        let kept_end = self.kept_start.saturating_add(len_u64(self.kept.len()));
        let cluster_end = self.position.next_multiple_of(self.cluster_bytes);
        if self.kept.is_empty() || kept_end != self.position || next < cluster_end {
            return Ok(());
        }
        let done = self.kept.len();
        let rest = in_memory(cluster_end.saturating_sub(kept_end));
        let mut kept = std::mem::take(&mut self.kept);
        kept.resize(done.saturating_add(rest), 0);
        let read = self.fill(&mut kept[done..])?;
        kept.truncate(done.saturating_add(read));
        self.keep(kept_end, &kept[done..])?;
        self.kept = kept;
        Ok(())
    }

    /// Fills `bytes` with what comes next, and says how many there were.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        while done < bytes.len() && !self.ended {
            match self.input.read(&mut bytes[done..]) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    done = done.saturating_add(length);
                    self.position = self.position.saturating_add(len_u64(length));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Arrival {
                        host: HostOffset(self.position),
                        source,
                    });
                }
            }
        }
        Ok(done)
    }
}

impl<R: io::Read, K: Store> Source for Forward<R, K> {
    fn plain(
        &mut self,
        guest: &Range<u64>,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        self.read_exact(Structure::Data, guest, host, bytes)
    }

    fn streams(
        &mut self,
        guest: u64,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        let there = self.read(Structure::Stream, guest, host, bytes)?;
        if host.saturating_add(len_u64(there)) == self.position {
            self.kept.clear();
            self.kept.extend_from_slice(&bytes[..there]);
            self.kept_start = host;
        }
        Ok(there)
    }

    fn file_bytes(&self, _file: usize) -> u64 {
        if self.ended { self.position } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use blockio::{MemoryDisk, ReadAt};

    use super::*;

    /// The bytes 0, 1, 2 and so on, a few at a time.
    struct Dribble(Range<u8>);

    impl io::Read for Dribble {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let length = buf.len().min(3).min(self.0.len());
            for (to, byte) in buf[..length].iter_mut().zip(&mut self.0) {
                *to = byte;
            }
            Ok(length)
        }
    }

    #[test]
    fn streams_may_start_within_those_before_and_plain_bytes_too() {
        let mut forward = Forward::new(Dribble(0..100), Arc::new(MemoryDisk::default()));
        let mut bytes = [0; 10];
        assert_eq!(forward.streams(0, 0, 20, &mut bytes).unwrap(), 10);
        assert_eq!((bytes[0], bytes[9]), (20, 29));
        assert_eq!(forward.streams(0, 0, 25, &mut bytes).unwrap(), 10);
        assert_eq!((bytes[0], bytes[9]), (25, 34));
        assert_eq!(forward.streams(0, 0, 27, &mut bytes[..2]).unwrap(), 2);
        assert_eq!(bytes[..2], [27, 28]);
        forward.plain(&(0..3), 0, 29, &mut bytes[..3]).unwrap();
        assert_eq!(bytes[..3], [29, 30, 31]);
        forward.plain(&(0..6), 0, 32, &mut bytes[..6]).unwrap();
        assert_eq!(bytes[..6], [32, 33, 34, 35, 36, 37]);
        let error = forward.plain(&(0x200..0x201), 0, 36, &mut bytes[..1]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "data of guest offset 0x200 lies at host offset 0x24, which the pipe passed before it was needed, at 0x26: save the image to a file and unpack that"
        );
        forward.keep_all().unwrap();
        // What was passed over was kept, and nothing else.
        let arrived = forward.arrived();
        assert_eq!(arrived.size(), 100);
        let mut kept = [0; 20];
        arrived.read_at(0, &mut kept).unwrap();
        assert_eq!(kept[19], 19);
        let error = arrived.read_at(19, &mut kept[..2]).unwrap_err();
        assert!(error.to_string().contains("0x14..0x26"), "{error}");
    }

    #[test]
    fn a_stream_may_lie_in_the_rest_of_a_cluster_that_was_passed() {
        let mut forward = Forward::new(Dribble(0..100), Arc::new(MemoryDisk::default()));
        forward.set_cluster_bytes(16);
        let mut bytes = [0; 5];
        assert_eq!(forward.streams(0, 0, 18, &mut bytes).unwrap(), 5);
        forward.plain(&(0..5), 0, 32, &mut bytes).unwrap();
        assert_eq!(bytes, [32, 33, 34, 35, 36]);
        assert_eq!(forward.streams(0, 0, 25, &mut bytes).unwrap(), 5);
        assert_eq!(bytes, [25, 26, 27, 28, 29]);
        forward.plain(&(0..5), 0, 48, &mut bytes).unwrap();
        assert_eq!(forward.streams(0, 0, 27, &mut bytes).unwrap(), 5);
        assert_eq!(bytes, [27, 28, 29, 30, 31]);
        // It does not reach into what was not kept.
        let error = forward.streams(0, 0, 28, &mut bytes).unwrap_err();
        assert!(matches!(error, Error::Passed { position: 53, .. }));
        // A stream that is read from the input takes its place.
        assert_eq!(forward.streams(0, 0, 60, &mut bytes).unwrap(), 5);
        let error = forward.streams(0, 0, 27, &mut bytes).unwrap_err();
        assert!(matches!(error, Error::Passed { position: 65, .. }));
    }

    #[test]
    fn the_end_shows_when_it_is_reached() {
        let mut forward = Forward::new(Dribble(0..100), Arc::new(MemoryDisk::default()));
        let mut bytes = [0; 10];
        assert_eq!(forward.streams(0, 0, 80, &mut bytes).unwrap(), 10);
        assert_eq!(forward.file_bytes(0), u64::MAX);
        assert_eq!(forward.streams(0, 0, 95, &mut bytes).unwrap(), 5);
        assert_eq!(forward.file_bytes(0), 100);
        assert_eq!(forward.streams(0, 0, 98, &mut bytes).unwrap(), 2);
        assert_eq!(bytes[..2], [98, 99]);
        let error = forward.plain(&(0x200..0x20a), 0, 100, &mut bytes);
        assert_eq!(
            error.unwrap_err().to_string(),
            "data at host offset 0x64, for guest bytes 0x200..0x20a, ends at 0x6e, past the end of the file at 0x64: the image is truncated"
        );
    }
}
