//! What is used of a group, by all that is known.

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::Error;
use ext_format::group::{GroupReader, Layout, Verdict, verdict_of};

use crate::journal::Overlay;
use crate::used::bitmap_union::{Joiner, mark};
use crate::used::clusters::Recorded;
use crate::used::group_map::GroupMap;

/// Loads what is used of groups: from what the survey kept, and where it kept nothing
/// from their bitmaps again.
#[derive(Debug)]
pub(crate) struct Loader<'a, R: ?Sized> {
    groups: &'a GroupMap,
    recorded: Recorded<'a>,
    reader: GroupReader<'a, Overlay<R>>,
    /// Where more is used than the bitmaps say.
    joiner: Option<Joiner<'a, R>>,
}

impl<'a, R: ReadAt + ?Sized> Loader<'a, R> {
    /// Loads best in the order of the groups.
    pub(crate) fn new(disk: &'a Overlay<R>, layout: &'a Layout, groups: &'a GroupMap) -> Self {
        let joined = groups.joined.as_deref();
        Self {
            groups,
            recorded: Recorded::new(&groups.clusters),
            reader: GroupReader::new(disk, layout),
            joiner: joined.map(|runs| Joiner::new(disk, layout, runs)),
        }
    }

    /// Loads groups in any order.
    pub(crate) fn one_by_one(
        disk: &'a Overlay<R>,
        layout: &'a Layout,
        groups: &'a GroupMap,
    ) -> Self {
        let joined = groups.joined.as_deref();
        Self {
            groups,
            recorded: Recorded::new(&groups.clusters),
            reader: GroupReader::one_by_one(disk, layout),
            joiner: joined.map(|runs| Joiner::one_by_one(disk, layout, runs)),
        }
    }

    /// Where things lie.
    pub(crate) const fn layout(&self) -> &'a Layout {
        self.reader.layout()
    }

    /// Fills `bitmap` with what is used of `group`.
    pub(crate) fn load(&mut self, group: u32, bitmap: &mut Bitmap) -> Result<(), Error> {
        let geometry = &self.layout().geometry;
        let verdicts = &self.groups.verdicts;
        let clusters = geometry.clusters_in(group);
        let verdict = verdict_of(verdicts, group);
        if verdict == Verdict::AllUsed {
            bitmap.fill(clusters);
            return Ok(());
        }
        if self.recorded.load(group, clusters, bitmap)? {
            // Inodes were asked after that.
            if let Some(runs) = &self.groups.joined {
                mark(runs, group, geometry, bitmap);
            }
            return Ok(());
        }
        self.reader.load(group, verdicts, bitmap)?;
        if let Some(joiner) = &mut self.joiner {
            let descriptor = self.reader.descriptor(group)?;
            joiner.join(group, &descriptor, verdict, bitmap)?;
        }
        Ok(())
    }
}
