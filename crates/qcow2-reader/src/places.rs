//! Where in the file a structure may be.

use std::ops::Range;

use qcow2_format::{GuestOffset, Header, HostOffset};

use crate::{Error, Structure};

/// The file, and what is taken in it.
#[derive(Debug)]
pub(crate) struct Places {
    file_bytes: u64,
    /// The structures that the header places.
    taken: [(Structure, Range<u64>); 3],
}

impl Places {
    /// The places of a file of `file_bytes` bytes.
    pub(crate) fn new(header: &Header, file_bytes: u64) -> Self {
        let cluster_bytes = header.cluster_bits.bytes();
        let refcount_table_bytes =
            u64::from(header.refcount_table_clusters).saturating_mul(cluster_bytes);
        let l1_bytes = u64::from(header.l1_entries).saturating_mul(8);
        let range = |host: HostOffset, bytes| host.0..host.0.saturating_add(bytes);
        Self {
            file_bytes,
            taken: [
                (Structure::Header, 0..cluster_bytes),
                (
                    Structure::RefcountTable,
                    range(header.refcount_table_offset, refcount_table_bytes),
                ),
                (Structure::L1Table, range(header.l1_table_offset, l1_bytes)),
            ],
        }
    }

    /// Refuses a structure of `bytes` bytes at `host`, needed for the bytes
    /// `guest`, that lies in another one or is not in the file as a whole.
    pub(crate) fn check(
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
            return Err(Error::Truncated {
                structure,
                guest,
                host,
                end,
                file_bytes: self.file_bytes,
            });
        }
        Ok(())
    }
}
