//! What the bytes of a physical volume are, by what the logical volumes on it say of theirs.

use std::ops::Range;
use std::sync::Arc;

use blockio::{AllData, BoxError, Extent, ExtentKind, Extents, Merge, Tiling, clip};

use super::map::{Owner, Piece, StripeId};
use super::mapping::{Mapping, Run};

/// A logical volume that was looked into.
pub(super) struct Opened<'d> {
    pub(super) mapping: Arc<Mapping>,
    pub(super) content: Box<dyn Tiling + 'd>,
}

/// A physical volume of a group whose newest text is believed.
pub(super) struct PhysicalTiling<'d> {
    /// They tile its window.
    pub(super) pieces: Vec<Piece>,
    /// The volumes of the group; nothing for those that are kept whole.
    pub(super) volumes: Arc<Vec<Option<Opened<'d>>>>,
}

impl Tiling for PhysicalTiling<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let first = self
            .pieces
            .partition_point(|piece| piece.range.end <= range.start);
        let pieces = self.pieces.get(first..).unwrap_or_default().iter();
        let end = range.end;
        let pieces = pieces.take_while(move |piece| piece.range.start < end);
        let extents = pieces.flat_map(move |piece| {
            let within = piece.range.start.max(range.start)..piece.range.end.min(range.end);
            self.piece(piece, within)
        });
        Box::new(Merge::new(extents))
    }
}

impl PhysicalTiling<'_> {
    /// What the bytes `within` of the window are, which lie in `piece`.
    fn piece(&self, piece: &Piece, within: Range<u64>) -> Extents<'_> {
        match piece.owner {
            Owner::Structure => AllData.extents(within),
            Owner::Nobody => {
                let free = Extent::new(within, ExtentKind::Free);
                Box::new(std::iter::once(Ok(free)))
            }
            Owner::Stripe(id) => match self.run(id) {
                Some((opened, run)) => stripe(opened, run, id.stripe, piece.range.start, &within),
                None => AllData.extents(within),
            },
        }
    }

    fn run(&self, id: StripeId) -> Option<(&Opened<'_>, &Run)> {
        let opened = self.volumes.get(id.volume)?.as_ref()?;
        Some((opened, opened.mapping.run(id.segment)?))
    }
}

/// What the bytes `within` of a window are, by the volume that has them: they lie on the
/// stripe of `run` that begins at byte `start` of the window.
fn stripe<'a>(
    opened: &'a Opened<'_>,
    run: &'a Run,
    index: usize,
    start: u64,
    within: &Range<u64>,
) -> Extents<'a> {
    let on_stripe = within.start.saturating_sub(start)..within.end.saturating_sub(start);
    let rows = run.rows(&on_stripe);
    let first = run.range.start;
    let in_volume = first.saturating_add(rows.start)..first.saturating_add(rows.end);
    let extents = opened.content.extents(in_volume);
    let place = move |at: u64| {
        let inside = run.on_stripe(index, at.saturating_sub(first));
        start.saturating_add(inside)
    };
    let extents = extents.map(move |extent| -> Result<Extent, BoxError> {
        let extent = extent?;
        let range = place(extent.start)..place(extent.end());
        Ok(Extent::new(range, extent.kind))
    });
    clip(extents.filter(is_there), within.clone())
}

/// Whether an extent has bytes on a stripe at all.
fn is_there(extent: &Result<Extent, BoxError>) -> bool {
    extent.as_ref().map_or(true, |extent| extent.length > 0)
}
