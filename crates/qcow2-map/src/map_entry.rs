//! What guest bytes are, and where: the map as others see it.

use std::iter::Fuse;
use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::HostOffset;

use crate::crypt::Cipher;
use crate::error::Error;
use crate::image::stream::Codec;
use crate::layers::chain::Chain;
use crate::layers::layer::Layer;
use crate::lookup::runs::{Mapping, Run};

/// Guest bytes in a row that are alike, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapEntry {
    /// The guest bytes.
    pub guest: Range<u64>,
    /// What they are.
    pub stored: Stored,
    /// Index of the layer that says so: 0 is the image that was opened, 1 its backing
    /// file, and so on. `None` where no layer has anything there.
    pub depth: Option<usize>,
    /// Index of the last layer that was asked: `depth`, or the layer that has nothing
    /// there and nothing below it that reaches so far.
    pub last: usize,
    /// Index of the file with the bytes, among
    /// [`ImageMap::files`](crate::ImageMap::files); `None` where they are in none.
    pub file: Option<usize>,
    /// Whether the bytes in that file are encrypted: at the host offset is not what the
    /// guest reads.
    pub is_encrypted: bool,
}

/// What guest bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// Nothing is stored: they read as zeros.
    Unallocated,
    /// An entry says that they read as zeros.
    Zero,
    /// They are in the file in a row, from this host offset on.
    Data {
        /// Where the first of them is.
        host: HostOffset,
    },
    /// They are in the cluster that a compressed stream gives.
    Compressed {
        /// Where the stream starts.
        host: HostOffset,
        /// Bytes of the file that may belong to it.
        bytes: u64,
        /// What it gives, and how it is compressed.
        codec: Codec,
    },
    /// Unknown, in an image that is salvaged: they read as zeros.
    Lost,
}

/// An iterator over the entries of a range of guest bytes, which tile it and are
/// maximal; made by [`ImageMap::entries`](crate::ImageMap::entries). An error ends it,
/// past the entries in front of it.
#[derive(Debug)]
pub struct MapEntries<'m, S> {
    runs: Fuse<Chain<'m, S>>,
    layers: &'m [Layer],
    /// Those of each file.
    ciphers: &'m [Option<Cipher>],
    /// The entry that the next one may belong to.
    held: Option<MapEntry>,
    failure: Option<Error>,
}

impl<'m, S: ReadAt> MapEntries<'m, S> {
    pub(crate) fn new(
        runs: Chain<'m, S>,
        layers: &'m [Layer],
        ciphers: &'m [Option<Cipher>],
    ) -> Self {
        Self {
            runs: runs.fuse(),
            layers,
            ciphers,
            held: None,
            failure: None,
        }
    }

    fn entry(&self, run: Run) -> MapEntry {
        let stored = match run.mapping {
            Mapping::Unallocated => Stored::Unallocated,
            Mapping::Zero => Stored::Zero,
            Mapping::Data { host } => Stored::Data { host },
            Mapping::Compressed(stream) => Stored::Compressed {
                host: stream.host,
                bytes: stream.bytes,
                codec: stream.codec,
            },
            Mapping::Lost => Stored::Lost,
        };
        let in_file = matches!(stored, Stored::Data { .. } | Stored::Compressed { .. });
        // The layer with the file, or with the image that has it as its data file.
        let upto = self.layers.partition_point(|layer| layer.file <= run.file);
        let last = upto.saturating_sub(1);
        MapEntry {
            guest: run.guest,
            stored,
            depth: (stored != Stored::Unallocated).then_some(last),
            last,
            file: in_file.then_some(run.file),
            // QEMU leaves streams as they are in an encrypted image.
            is_encrypted: matches!(stored, Stored::Data { .. })
                && matches!(self.ciphers.get(run.file), Some(Some(_))),
        }
    }
}

impl MapEntry {
    /// Appends `next`, which starts where this ends, if it is more of the same.
    fn join(&mut self, next: &Self) -> bool {
        let continues = match (self.stored, next.stored) {
            (Stored::Data { host }, Stored::Data { host: next_host }) => {
                let bytes = self.guest.end.saturating_sub(self.guest.start);
                host.0.checked_add(bytes) == Some(next_host.0)
            }
            // One and the same cluster, in parts.
            (stored, next_stored) => stored == next_stored,
        };
        let joined = continues && self.last == next.last && self.file == next.file;
        if joined {
            self.guest.end = next.guest.end;
        }
        joined
    }
}

impl<S: ReadAt> Iterator for MapEntries<'_, S> {
    type Item = Result<MapEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(run) = self.runs.next() {
            match run.map(|run| self.entry(run)) {
                Ok(entry) => {
                    if self.held.as_mut().is_some_and(|held| held.join(&entry)) {
                        continue;
                    }
                    if let Some(whole) = self.held.replace(entry) {
                        return Some(Ok(whole));
                    }
                }
                Err(error) => self.failure = Some(error),
            }
        }
        match self.held.take() {
            Some(entry) => Some(Ok(entry)),
            None => self.failure.take().map(Err),
        }
    }
}
