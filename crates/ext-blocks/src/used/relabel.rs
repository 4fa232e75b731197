//! Extents in which some of the data is of another kind.

use blockio::{Extent, ExtentKind};
use ext_format::runs::BlockRun;

/// The extents of `inner`, in which the data in some runs of blocks is of another
/// kind.
#[derive(Debug)]
pub(crate) struct Relabel<'a, I> {
    inner: I,
    /// Ascending, without overlaps; those after which the walk is are gone.
    runs: &'a [BlockRun],
    /// log2 of the size of a block in bytes.
    block_bits: u32,
    /// What the data in the runs is.
    kind: ExtentKind,
    /// What is left of the last extent of `inner`.
    rest: Option<Extent>,
}

impl<'a, I> Relabel<'a, I> {
    /// `inner`, where data in `runs` of blocks of `2^block_bits` bytes is of
    /// `kind`.
    pub(crate) const fn new(
        inner: I,
        runs: &'a [BlockRun],
        block_bits: u32,
        kind: ExtentKind,
    ) -> Self {
        Self {
            inner,
            runs,
            block_bits,
            kind,
            rest: None,
        }
    }

    /// The first part of `extent` that is of one kind, and what follows it.
    fn split(&mut self, extent: Extent) -> (Extent, Option<Extent>) {
        while let Some(run) = self.runs.first() {
            let bytes = run.start << self.block_bits..run.end << self.block_bits;
            if bytes.end <= extent.start {
                self.runs = self.runs.get(1..).unwrap_or_default();
                continue;
            }
            let (cut, kind) = if bytes.start > extent.start {
                (bytes.start, ExtentKind::Data)
            } else {
                (bytes.end, self.kind)
            };
            let cut = cut.min(extent.end());
            return (
                Extent::new(extent.start..cut, kind),
                Some(Extent::new(cut..extent.end(), ExtentKind::Data)),
            );
        }
        (extent, None)
    }
}

impl<E, I: Iterator<Item = Result<Extent, E>>> Iterator for Relabel<'_, I> {
    type Item = Result<Extent, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let extent = match self.rest.take() {
            Some(rest) => rest,
            None => match self.inner.next()? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            },
        };
        if extent.kind != ExtentKind::Data {
            return Some(Ok(extent));
        }
        let (first, rest) = self.split(extent);
        self.rest = rest.filter(|rest| rest.length > 0);
        Some(Ok(first))
    }
}
