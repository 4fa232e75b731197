//! The disk, cut so that each part has one use and one place.

use std::ops::{ControlFlow, Range};

use blockio::{Extent, ExtentKind, ReadAt};

use super::places::{Place, Run, Runs};
use crate::error::Error;
use crate::kinds::DiskKind;
use crate::subject::Subject;

/// How many segments pass between two calls of `go_on`.
const PROGRESS_EVERY: u64 = 1 << 12;

/// Most segments of a disk: a disk of 32 TiB in clusters of 64 KiB has no more.
const SEGMENTS_MAX: u64 = 1 << 29;

/// Bytes of the disk in a row with one use and one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) guest: Range<u64>,
    pub(crate) is_used: bool,
    pub(crate) place: Place,
}

impl Segment {
    pub(crate) fn kind(&self) -> DiskKind {
        match (self.is_used, self.place) {
            (_, Place::Lost) => DiskKind::Lost,
            (true, Place::Plain(_)) => DiskKind::Used,
            (true, Place::Stream { .. }) => DiskKind::Compressed,
            (true, Place::Elsewhere) => DiskKind::Elsewhere,
            (true, Place::Nowhere) => DiskKind::Zero,
            (false, Place::Nowhere) => DiskKind::Free,
            (false, _) => DiskKind::Stale,
        }
    }
}

/// Shows all runs of the disk to `run`, and all segments, which tile it, to `segment`.
/// `go_on` learns how far it is.
pub(crate) fn walk<S: ReadAt>(
    subject: &Subject<'_, S>,
    mut run: impl FnMut(&Run),
    mut segment: impl FnMut(&Segment),
    mut go_on: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(), Error> {
    let size = subject.disk_bytes();
    let mut runs = Runs::new(&subject.storage);
    let mut uses = subject.used.extents(0..size);
    let (mut current_run, mut current_use): (Option<Run>, Option<Extent>) = (None, None);
    let (mut at, mut count) = (0, 0u64);
    while at < size {
        let here = match current_run.take() {
            Some(here) => here,
            None => {
                let next = runs.next().ok_or(Error::Gap { at, size })??;
                run(&next);
                next
            }
        };
        let used = match current_use.take() {
            Some(used) => used,
            None => {
                let next = uses.next().ok_or(Error::Gap { at, size })?;
                next.map_err(Error::Used)?
            }
        };
        let end = here.guest.end.min(used.end());
        // Both tile the disk, so that each begins here and is not empty.
        if here.guest.start > at || used.start > at || end <= at {
            return Err(Error::Gap { at, size });
        }
        segment(&Segment {
            guest: at..end,
            is_used: !matches!(used.kind, ExtentKind::Free | ExtentKind::Unallocated),
            place: here.place.after(at.saturating_sub(here.guest.start)),
        });
        at = end;
        current_run = (here.guest.end > at).then_some(here);
        current_use = (used.end() > at).then_some(used);
        count = count.saturating_add(1);
        if count > SEGMENTS_MAX {
            return Err(Error::TooManyPieces { max: SEGMENTS_MAX });
        }
        if count.is_multiple_of(PROGRESS_EVERY) && go_on(at).is_break() {
            return Err(Error::Ended);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Storage;

    #[test]
    fn segments_have_one_use_and_one_place() {
        let disk = vec![1; 100];
        let uses = [
            Extent::new(0..30, ExtentKind::Data),
            Extent::new(30..60, ExtentKind::Free),
            Extent::new(60..100, ExtentKind::Zero),
        ];
        let subject = Subject::new(&uses, Storage::Raw(&disk));
        let (mut runs, mut segments) = (Vec::new(), Vec::new());
        walk(
            &subject,
            |run| runs.push(run.clone()),
            |segment| segments.push((segment.guest.clone(), segment.place, segment.kind())),
            |_| ControlFlow::Continue(()),
        )
        .unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(
            segments,
            [
                (0..30, Place::Plain(0), DiskKind::Used),
                (30..60, Place::Plain(30), DiskKind::Stale),
                (60..100, Place::Plain(60), DiskKind::Used),
            ]
        );
    }

    #[test]
    fn what_does_not_tile_the_disk_is_an_error() {
        let disk = vec![1; 100];
        for uses in [
            vec![],
            vec![Extent::new(0..30, ExtentKind::Data)],
            vec![Extent::new(1..100, ExtentKind::Data)],
            vec![Extent::new(0..0, ExtentKind::Data)],
        ] {
            // Not its tiling, which clips and joins.
            struct Bare(Vec<Extent>);
            impl blockio::Tiling for Bare {
                fn extents(&self, _: Range<u64>) -> blockio::Extents<'_> {
                    Box::new(self.0.iter().copied().map(Ok))
                }
            }
            let uses = Bare(uses);
            let subject = Subject::new(&uses, Storage::Raw(&disk));
            let go_on = |_| ControlFlow::Continue(());
            let walked = walk(&subject, |_| {}, |_| {}, go_on);
            assert!(matches!(walked, Err(Error::Gap { size: 100, .. })));
        }
    }
}
