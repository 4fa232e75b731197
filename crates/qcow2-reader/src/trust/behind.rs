//! Whether a disk ends where its last L2 table does.

use blockio::ReadAt;
use qcow2_format::GuestOffset;

use super::references::References;
use crate::l1::L1Reader;
use crate::l2::Words;
use crate::layer::ImageContent;
use crate::slices::WORD_BYTES;
use crate::{Error, Structure};

impl<S: ReadAt> References<'_, S> {
    /// Refuses stored clusters behind the end of the disk, in the L2 table that maps
    /// its end: it was longer, or this is not its table. In front of a disk's new end
    /// QEMU frees them, and VM state begins behind what that table maps.
    pub(super) fn check_end(&self, storage: &S, image: &ImageContent) -> Result<(), Error> {
        let (tables, geometry) = (&image.tables, image.tables.geometry);
        let size = image.disk.size;
        let Some(last) = tables.l1_entries().checked_sub(1) else {
            return Ok(());
        };
        // A table in the wrong place is for others to find.
        let Ok(Some((table, used_bytes))) = L1Reader::new(storage, tables).l2_place(last) else {
            return Ok(());
        };
        let cluster_bytes = geometry.cluster_bits.bytes();
        let start = table.0.saturating_add(used_bytes);
        let end = table.0.saturating_add(cluster_bytes);
        let first = size.next_multiple_of(cluster_bytes);
        let words = geometry.l2_entry_bytes() / WORD_BYTES;
        self.parts(Structure::L2Table, &(start..end), |skipped, entries| {
            let entries = Words::all(entries, geometry.extended_l2);
            for (behind, entry) in (skipped / words..).zip(entries) {
                let guest = first.saturating_add(behind.saturating_mul(cluster_bytes));
                let guest = GuestOffset(guest);
                let index = geometry.l2_index(guest);
                if let Ok(Some(_)) = entry.counted(&tables.context, index) {
                    return Err(Error::BehindDisk { table, guest, size });
                }
            }
            Ok(())
        })
    }
}
