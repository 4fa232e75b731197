//! The disk of an image as extents.

use std::iter::Map;

use blockio::{Extent, ExtentKind, Merge, ReadAt};

use crate::Error;
use crate::layers::chain::Runs;
use crate::lookup::runs::{Mapping, Run};

type ToExtent = fn(Result<Run, Error>) -> Result<Extent, Error>;

/// An iterator over the disk of an image; made by
/// [`ImageMap::extents`](crate::ImageMap::extents) and
/// [`ImageMap::allocated_extents`](crate::ImageMap::allocated_extents).
///
/// What is stored is `Data`, a zero cluster or subcluster is `Zero`, what is
/// unallocated is `Unallocated`, what is lost in a salvaged image is `Unreadable`. The
/// extents are maximal and tile the disk; an error ends them.
#[derive(Debug)]
pub struct Extents<'i, S>(Merge<Map<Runs<'i, S>, ToExtent>>);

impl<'i, S: ReadAt> Extents<'i, S> {
    pub(crate) fn new(runs: Runs<'i, S>) -> Self {
        Self(Merge::new(runs.map(to_extent)))
    }
}

fn to_extent(run: Result<Run, Error>) -> Result<Extent, Error> {
    run.map(|run| {
        let kind = match run.mapping {
            Mapping::Unallocated => ExtentKind::Unallocated,
            Mapping::Zero => ExtentKind::Zero,
            Mapping::Data { .. } | Mapping::Compressed(_) => ExtentKind::Data,
            Mapping::Lost => ExtentKind::Unreadable,
        };
        Extent::new(run.guest, kind)
    })
}

impl<S: ReadAt> Iterator for Extents<'_, S> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
