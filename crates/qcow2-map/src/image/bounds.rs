//! Where in the file a structure may be.

use std::ops::Range;

use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::{GuestOffset, Header, HostOffset};

use crate::image::mapped_disk::MappedDisk;
use crate::image::stream::{Codec, Stream};
use crate::{Error, Structure};

/// The length of the file, and the parts of it that are taken.
#[derive(Debug)]
pub struct Bounds {
    file_bytes: u64,
    /// The structures that the header places, where nothing else may be.
    taken: Vec<(Structure, Range<u64>)>,
    /// Whether what is missing or in the wrong place is lost, and no error.
    pub salvage: bool,
}

impl Bounds {
    /// The bounds in a file of `file_bytes` bytes; `disk` is the part that is read. To
    /// salvage it, anything may be anywhere.
    #[must_use]
    pub fn new(header: &Header, disk: &MappedDisk, file_bytes: u64, salvage: bool) -> Self {
        let cluster_bytes = header.cluster_bits.bytes();
        let refcount_table_bytes =
            u64::from(header.refcount_table_clusters).saturating_mul(cluster_bytes);
        let l1_bytes = u64::from(header.l1_entries).saturating_mul(8);
        let range = |host: HostOffset, bytes| host.0..host.0.saturating_add(bytes);
        let taken = vec![
            (Structure::Header, 0..cluster_bytes),
            (
                Structure::RefcountTable,
                range(header.refcount_table_offset, refcount_table_bytes),
            ),
            (Structure::L1Table, range(header.l1_table_offset, l1_bytes)),
            (
                Structure::L1Table,
                range(disk.l1_host, disk.l1_bytes(header.geometry())),
            ),
        ];
        Self {
            file_bytes,
            taken: if salvage { Vec::new() } else { taken },
            salvage,
        }
    }

    /// Bytes of a structure of `bytes` bytes at `host` that are in the file.
    #[inline]
    #[must_use]
    pub fn there(&self, host: HostOffset, bytes: u64) -> u64 {
        self.file_bytes.saturating_sub(host.0).min(bytes)
    }

    /// The stream that `descriptor` describes, needed for the bytes `guest`.
    /// Refuses one that starts in another structure or past the file's end.
    #[inline]
    pub fn stream(
        &self,
        guest: &Range<u64>,
        descriptor: &CompressedDescriptor,
        codec: Codec,
    ) -> Result<Stream, Error> {
        let host = descriptor.host;
        self.check(Structure::Stream, guest.clone(), host, 1)?;
        let bytes_max = descriptor.bytes_max();
        let end = self
            .taken
            .iter()
            .map(|(_, range)| range.start)
            .filter(|start| *start > host.0)
            .fold(self.file_bytes, u64::min)
            .min(host.0.saturating_add(bytes_max));
        Ok(Stream {
            host,
            bytes: end.saturating_sub(host.0),
            bytes_max,
            codec,
        })
    }

    /// Refuses a structure of `bytes` bytes at `host`, needed for the bytes
    /// `guest`, that lies in another one or is not in the file as a whole.
    #[inline]
    pub fn check(
        &self,
        structure: Structure,
        guest: Range<u64>,
        host: HostOffset,
        bytes: u64,
    ) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        let end = host.0.saturating_add(bytes);
        let overlapped = self
            .taken
            .iter()
            .find(|(with, range)| *with != structure && host.0 < range.end && range.start < end);
        if let Some((with, range)) = overlapped {
            return Err(Error::Overlap {
                structure,
                guest: GuestOffset(guest.start),
                host,
                with: *with,
                range: range.clone(),
            });
        }
        if end > self.file_bytes {
            return Err(self.truncated(structure, guest, host, bytes));
        }
        Ok(())
    }

    /// The error that a structure of `bytes` bytes at `host` is not in the file as
    /// a whole.
    #[must_use]
    pub fn truncated(
        &self,
        structure: Structure,
        guest: Range<u64>,
        host: HostOffset,
        bytes: u64,
    ) -> Error {
        Error::Truncated {
            structure,
            guest,
            host,
            end: host.0.saturating_add(bytes),
            file_bytes: self.file_bytes,
        }
    }
}
