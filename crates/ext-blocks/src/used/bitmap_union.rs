//! Clusters that are used besides those that the bitmaps of the recovered state
//! say, in a filesystem that was not left clean, or whose inodes say more.
//!
//! What will be replayed, and by whom, is not ours to decide: so a cluster is
//! also used where the stored bitmap says so, or any copy of the bitmap in the
//! log, and where runs of blocks say so that were found by other ways.

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::{Error, Structure, read};
use ext_format::geometry::{Geometry, to_index};
use ext_format::group::{Descriptor, GroupReader, Layout, Verdict};
use ext_format::runs::BlockRun;

use crate::journal::Overlay;

/// Joins the bitmaps of a filesystem, group by group.
#[derive(Debug)]
pub(crate) struct Joiner<'a, R: ?Sized> {
    overlay: &'a Overlay<R>,
    /// The groups as they are stored.
    stored: GroupReader<'a, R>,
    /// Ascending and disjoint.
    runs: &'a [BlockRun],
    copy: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> Joiner<'a, R> {
    /// Joins what is below `overlay`, its log, and `runs`, which are ascending and
    /// disjoint.
    pub(crate) const fn new(
        overlay: &'a Overlay<R>,
        layout: &'a Layout,
        runs: &'a [BlockRun],
    ) -> Self {
        Self::reading(GroupReader::new(overlay.disk(), layout), overlay, runs)
    }

    /// The same for groups in any order.
    pub(crate) const fn one_by_one(
        overlay: &'a Overlay<R>,
        layout: &'a Layout,
        runs: &'a [BlockRun],
    ) -> Self {
        let stored = GroupReader::one_by_one(overlay.disk(), layout);
        Self::reading(stored, overlay, runs)
    }

    const fn reading(
        stored: GroupReader<'a, R>,
        overlay: &'a Overlay<R>,
        runs: &'a [BlockRun],
    ) -> Self {
        Self {
            overlay,
            stored,
            runs,
            copy: Vec::new(),
        }
    }

    /// Adds to `bitmap` the clusters of `group` that are used. It holds what those are
    /// after recovery; `recovered` is the group's descriptor then, and `verdict` where
    /// the bits come from.
    pub(crate) fn join(
        &mut self,
        group: u32,
        recovered: &Descriptor,
        verdict: Verdict,
        bitmap: &mut Bitmap,
    ) -> Result<(), Error> {
        let layout = self.stored.layout();
        let geometry = &layout.geometry;
        mark(self.runs, group, geometry, bitmap);
        let stored = self.stored.descriptor(group)?;
        let is_read = verdict == Verdict::Stored && recovered.block_bitmap == stored.block_bitmap;
        if is_read && !stored.block_uninit() && self.has_no_copies(stored.block_bitmap) {
            // It is the same one.
            return Ok(());
        }
        if stored.block_uninit() {
            stored.mark_own_metadata(group, geometry, bitmap);
        } else if let Some(bytes) = self.stored.raw_block_bitmap(group)? {
            bitmap.join(bytes);
        }
        self.join_copies(stored.block_bitmap, bitmap)?;
        if recovered.block_bitmap != stored.block_bitmap {
            self.join_stored(recovered.block_bitmap, bitmap)?;
            self.join_copies(recovered.block_bitmap, bitmap)?;
        }
        Ok(())
    }

    /// Joins the stored bitmap in `block`, if it is one of the filesystem's.
    fn join_stored(&mut self, block: u64, bitmap: &mut Bitmap) -> Result<(), Error> {
        let geometry = &self.stored.layout().geometry;
        if geometry.holds(block) {
            self.copy.resize(to_index(geometry.block_bytes()), 0);
            let at = geometry.byte_of(block);
            let disk = self.overlay.disk();
            read(disk, Structure::BlockBitmap, at, &mut self.copy)?;
            bitmap.join(&self.copy);
        }
        Ok(())
    }

    /// Whether the log has nothing for `block`.
    fn has_no_copies(&self, block: u64) -> bool {
        let log = self.overlay.log();
        log.is_none_or(|log| log.of(block..block.saturating_add(1)).is_empty())
    }

    /// Joins what the log has for the bitmap in `block`.
    fn join_copies(&mut self, block: u64, bitmap: &mut Bitmap) -> Result<(), Error> {
        let Some(log) = self.overlay.log() else {
            return Ok(());
        };
        for copy in log.of(block..block.saturating_add(1)) {
            log.read(self.overlay.disk(), copy, &mut self.copy)
                .map_err(|source| Error::Read {
                    structure: Structure::Journal,
                    offset: self.stored.layout().geometry.byte_of(block),
                    source,
                })?;
            bitmap.join(&self.copy);
        }
        Ok(())
    }
}

/// Marks in `bitmap` of `group` the blocks of `runs`, which ascend without overlaps.
pub(crate) fn mark(runs: &[BlockRun], group: u32, geometry: &Geometry, bitmap: &mut Bitmap) {
    let blocks = geometry.blocks_of(group);
    let from = runs.partition_point(|run| run.end <= blocks.start);
    let ahead = runs.get(from..).unwrap_or_default();
    for run in ahead.iter().take_while(|run| run.start < blocks.end) {
        bitmap.mark(geometry.bits_of(group, *run));
    }
}
