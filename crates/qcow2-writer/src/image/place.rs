//! Whole clusters that get places, or are zeros, without their bytes being written.

use std::ops::Range;

use blockio::{Handle, Store};
use qcow2_format::HostOffset;

use super::ImageWriter;
use crate::error::Error;
use crate::image::cluster::{Cluster, Mapping};
use crate::image::l1_table::L2Place;
use crate::image::layout::Layout;
use crate::units::cut;

impl<T: Store> ImageWriter<T> {
    /// Stores the whole clusters of `run`, none of which is stored, as the blocks
    /// of the file `source`, if there is one, at the same offsets. A run is a part
    /// that [`run_bytes`](Self::run_bytes) cuts.
    ///
    /// After [`Error::Reflink`] the writer is as if nothing had been tried.
    pub(crate) fn reflink(
        &mut self,
        source: Option<&Handle>,
        run: Range<u64>,
    ) -> Result<(), Error> {
        let mut host = self.next_place();
        if !self.has_tables(&run) {
            host.0 += self.layout.cluster_bits.bytes();
        }
        self.floor.check("data", host)?;
        self.file.reflink(host, source, &run)?;
        self.floor.rise(host.0 + (run.end - run.start));
        self.place(run)
    }

    /// What to cut `guest` at the multiples of, in bytes, for parts whose
    /// clusters follow each other in the image: a table that has no place yet lies
    /// between the data of two tables.
    pub(crate) fn run_bytes(&self, guest: &Range<u64>) -> u64 {
        if self.has_tables(guest) {
            u64::MAX
        } else {
            self.layout.geometry().l2_coverage_bytes()
        }
    }

    /// The shape of the image.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the next cluster of data goes, where no table is missing.
    pub(crate) fn next_place(&self) -> HostOffset {
        self.layout.host_offset(self.tables.allocator.next())
    }

    /// Whether the L2 tables that map `guest` have places already.
    pub(crate) fn has_tables(&self, guest: &Range<u64>) -> bool {
        cut(guest.clone(), self.layout.geometry().l2_coverage_bytes())
            .all(|part| self.tables.place_of_table(part.start, &self.layout) != L2Place::None)
    }

    /// Maps the whole clusters of `guest`, none of which is stored, to the next
    /// host clusters, where nothing is written.
    pub(crate) fn place(&mut self, guest: Range<u64>) -> Result<(), Error> {
        self.or_break(|writer| {
            let Self {
                tables,
                layout,
                file,
                stored,
                ..
            } = writer;
            tables.for_each_entry(guest, layout, file, |cluster, entry, allocator| {
                let host = allocator.take(layout)?;
                let data = Cluster::default().with_data(host, layout.units(&cluster));
                entry.set(Mapping::Cluster(data));
                stored.add(cluster.start, layout);
                Ok(())
            })
        })
    }

    /// Says that the whole units of `guest` are in use and zeros, except those that
    /// hold data.
    pub(crate) fn put_zeros(&mut self, guest: Range<u64>) -> Result<(), Error> {
        self.or_break(|writer| {
            let Self {
                tables,
                layout,
                file,
                ..
            } = writer;
            tables.for_each_entry(guest, layout, file, |zeros, entry, _| {
                let cluster = entry.get()?.with_zeros(layout.units(&zeros));
                entry.set(Mapping::Cluster(cluster));
                Ok(())
            })
        })
    }

    /// The host cluster of the guest cluster at `guest`, if it is stored.
    pub(crate) fn place_of(&mut self, guest: u64) -> Result<Option<HostOffset>, Error> {
        let cluster = self.tables.cluster(guest, &self.layout, &self.file)?;
        Ok(cluster.and_then(Cluster::host))
    }
}
