//! Zeros that are in use, where the allocation is exact.

use std::ops::Range;

use blockio::Store;
use qcow2_format::GuestOffset;

use super::ImageWriter;
use crate::error::Error;
use crate::image::cluster::Mapping;
use crate::units::cut;

impl<T: Store + ?Sized> ImageWriter<'_, T> {
    /// Says in the header that exactly what is in use is allocated.
    pub(crate) fn be_exact(&mut self) {
        self.is_exact = true;
    }

    /// Says that the whole units of `guest` are in use and zeros, as far as they
    /// hold no data.
    pub(crate) fn put_zeros(&mut self, guest: Range<u64>) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.broken = true;
        let (bits, geometry) = (self.layout.cluster_bits, self.layout.geometry());
        for part in cut(guest, geometry.l2_coverage_bytes()) {
            let l1_index = geometry.l1_index(GuestOffset(part.start));
            let (table_host, is_new) = self.use_table(l1_index)?;
            let table = self.l2.get(l1_index, table_host, is_new, &self.output)?;
            for zeros in cut(part, bits.bytes()) {
                let index = geometry.l2_index(GuestOffset(zeros.start));
                let cluster = table.get(index)?.with_zeros(self.layout.units(&zeros));
                table.set(index, Mapping::Cluster(cluster));
            }
        }
        self.broken = false;
        Ok(())
    }
}
