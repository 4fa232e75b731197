//! The refcounts of an image, from what was allocated to stored blocks.

use std::ops::Range;

use blockio::Store;
use qcow2_format::HostOffset;
use qcow2_format::refcount::RefcountTableEntry;

use crate::error::Error;
use crate::image::compressed::counts::CompressedCount;
use crate::image::file::{Gather, ImageFile};
use crate::image::layout::{Layout, RefcountArea};
use crate::units::to_usize;

/// Host clusters that are used equally often.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    clusters: Range<u64>,
    count: u64,
}

impl Run {
    /// The refcount blocks that hold nothing but this run.
    fn whole_blocks(&self, per_block: u64) -> Range<u64> {
        let start = self.clusters.start.div_ceil(per_block);
        start..(self.clusters.end / per_block).max(start)
    }
}

/// How often each host cluster is used, from cluster 0 on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refcounts {
    /// Ascending, without gaps; neighbours differ in their counts.
    runs: Vec<Run>,
}

impl Refcounts {
    /// The clusters counted so far.
    pub(crate) fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.clusters.end)
    }

    /// Counts the clusters from the end up to `end` as used `count` times each.
    pub(crate) fn push_until(&mut self, end: u64, count: u64) {
        let start = self.end();
        match self.runs.last_mut() {
            _ if start >= end => {}
            Some(last) if last.count == count => last.clusters.end = end,
            _ => self.runs.push(Run {
                clusters: start..end,
                count,
            }),
        }
    }

    /// Counts the clusters from the end up to `clusters` as used once, and those as not
    /// used.
    pub(crate) fn leave_out(&mut self, clusters: Range<u64>) {
        self.push_until(clusters.start, 1);
        self.push_until(clusters.end, 0);
    }

    /// Leaves out unused clusters at the end.
    pub(crate) fn trim(&mut self) {
        self.runs.pop_if(|last| last.count == 0);
    }

    fn unused(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.count == 0)
    }

    /// Writes refcount blocks and refcount table after all that is counted,
    /// which does not end with unused clusters, and counts them too. Blocks of
    /// unused clusters alone are left out. `streams` are counts, ascending, that
    /// replace those of clusters in use.
    pub(crate) fn write<T: Store>(
        mut self,
        streams: impl Iterator<Item = Result<CompressedCount, Error>>,
        layout: &Layout,
        file: &ImageFile<T>,
    ) -> Result<RefcountArea, Error> {
        let per_block = layout.entries_per_block();
        let mut needless_blocks = 0;
        for run in self.unused() {
            let blocks = run.whole_blocks(per_block);
            needless_blocks += blocks.end - blocks.start;
            let length = (run.clusters.end - run.clusters.start) * layout.cluster_bits.bytes();
            file.clear(
                "unused clusters",
                layout.host_offset(run.clusters.start),
                length,
            )?;
        }
        let area = RefcountArea::place(self.end(), needless_blocks, layout)
            .ok_or_else(|| layout.too_many(0, self.end()))?;
        self.push_until(area.end, 1);
        let table = self.write_blocks(streams, &area, layout, file)?;
        file.write("the refcount table", layout.host_offset(area.table), &table)?;
        Ok(area)
    }

    /// Writes the blocks and returns the table that leads to them.
    fn write_blocks<T: Store>(
        &self,
        streams: impl Iterator<Item = Result<CompressedCount, Error>>,
        area: &RefcountArea,
        layout: &Layout,
        file: &ImageFile<T>,
    ) -> Result<Vec<u8>, Error> {
        let per_block = layout.entries_per_block();
        let cluster_bytes = layout.cluster_bits.bytes();
        let mut table = vec![0; to_usize(area.table_clusters * cluster_bytes)];
        let mut block = vec![0; to_usize(cluster_bytes)];
        let mut gather = Gather::new("refcount blocks");
        let mut places = (area.first_block..).map(|cluster| layout.host_offset(cluster));
        let mut runs = self.runs.as_slice();
        let mut streams = streams.peekable();
        for (entry, index) in table
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(0..area.table_entries)
        {
            let counted = index * per_block..(index + 1) * per_block;
            let passed = runs.partition_point(|run| run.clusters.end <= counted.start);
            (_, runs) = runs.split_at(passed);
            let needless = |run: &Run| run.count == 0 && run.clusters.end >= counted.end;
            if runs.first().is_some_and(needless) {
                continue;
            }
            block.fill(0);
            for run in runs
                .iter()
                .take_while(|run| run.clusters.start < counted.end)
            {
                let start = run.clusters.start.max(counted.start) - counted.start;
                let end = run.clusters.end.min(counted.end) - counted.start;
                layout
                    .refcount_order
                    .fill(&mut block, start..end, run.count)?;
            }
            let is_counted = |count: &CompressedCount| count.cluster < counted.end;
            while let Some(count) = streams.next_if(|count| count.as_ref().map_or(true, is_counted))
            {
                let count = count?;
                let index = count.cluster - counted.start;
                layout
                    .refcount_order
                    .set(&mut block, index, count.streams)?;
            }
            let place: Option<HostOffset> = places.next();
            *entry = RefcountTableEntry(place).encode().to_be_bytes();
            if let Some(place) = place {
                gather.write(place, &block, file)?;
            }
        }
        gather.flush(file)?;
        Ok(table)
    }
}

#[cfg(test)]
mod tests;
