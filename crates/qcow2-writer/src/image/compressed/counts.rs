//! How many compressed streams touch each host cluster.

use std::ops::{Range, RangeInclusive};
use std::vec;

use blockio::Store;
use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::{Geometry, HostOffset};

use crate::error::Error;
use crate::image::cluster::{Mapping, never_written};
use crate::image::file::ImageFile;
use crate::units::to_usize;

/// A host cluster, and the streams that touch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressedCount {
    pub(crate) cluster: u64,
    pub(crate) streams: u64,
}

/// The host clusters that streams touch, ascending, counted from the L2 tables
/// as they are stored: counts kept while the data is written would take memory
/// for every cluster of the image, this takes one table.
#[derive(Debug)]
pub(crate) struct CompressedCounts<'f, T, I> {
    file: &'f ImageFile<T>,
    geometry: Geometry,
    /// Places of the tables that are not read yet.
    tables: I,
    /// Host clusters that streams can be in.
    clusters: Range<u64>,
    /// Counts that are complete.
    ready: vec::IntoIter<CompressedCount>,
    /// The count that the next table may go on with.
    open: Option<CompressedCount>,
}

impl<'f, T, I> CompressedCounts<'f, T, I>
where
    T: Store,
    I: Iterator<Item = HostOffset>,
{
    /// The counts of the streams that `tables` lead to, one after the other
    /// within `clusters`.
    pub(crate) fn new(
        tables: I,
        clusters: Range<u64>,
        geometry: Geometry,
        file: &'f ImageFile<T>,
    ) -> Self {
        Self {
            file,
            geometry,
            tables,
            clusters,
            ready: Vec::new().into_iter(),
            open: None,
        }
    }

    /// Counts the streams of the table at `table`.
    fn count(&mut self, table: HostOffset) -> Result<(), Error> {
        let mut bytes = vec![0; to_usize(self.geometry.cluster_bits.bytes())];
        let entry_bytes = to_usize(self.geometry.l2_entry_bytes());
        self.file.read_back(table, &mut bytes)?;
        let mut counts: Vec<_> = self.open.take().into_iter().collect();
        for (entry, index) in bytes.chunks_exact(entry_bytes).zip(0..) {
            let clusters = match Mapping::decode(entry, self.geometry, index) {
                Some(Mapping::Cluster(_)) => continue,
                Some(Mapping::Compressed(stream)) => self.touched(&stream, counts.last()),
                None => None,
            };
            for cluster in clusters.ok_or_else(|| never_written(entry, table, index))? {
                match counts.last_mut() {
                    Some(last) if last.cluster == cluster => last.streams += 1,
                    _ => counts.push(CompressedCount {
                        cluster,
                        streams: 1,
                    }),
                }
            }
        }
        self.open = counts.pop();
        self.ready = counts.into_iter();
        Ok(())
    }

    /// The clusters that `stream` touches, or `None` where it cannot be: outside
    /// of what was handed out, or before the `last` that was counted.
    fn touched(
        &self,
        stream: &CompressedDescriptor,
        last: Option<&CompressedCount>,
    ) -> Option<RangeInclusive<u64>> {
        let end = stream.host.0 + stream.bytes_max();
        let bits = self.geometry.cluster_bits.bits();
        let touched = (stream.host.0 >> bits)..=((end - 1) >> bits);
        let from = last.map_or(self.clusters.start, |last| last.cluster);
        (from <= *touched.start() && *touched.end() < self.clusters.end).then_some(touched)
    }
}

impl<T, I> Iterator for CompressedCounts<'_, T, I>
where
    T: Store,
    I: Iterator<Item = HostOffset>,
{
    type Item = Result<CompressedCount, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(count) = self.ready.next() {
                return Some(Ok(count));
            }
            match self.tables.next() {
                Some(table) => {
                    if let Err(error) = self.count(table) {
                        return Some(Err(error));
                    }
                }
                None => return self.open.take().map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests;
