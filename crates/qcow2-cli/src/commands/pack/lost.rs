//! What could not be read of the source, for the report and for `--lost`.

use blockio::salvage::Lost;
use blockio::{Disk, Target, TargetOptions, WriteAt};
use serde::Serialize;

use super::source::Source;
use crate::args::PackArgs;
use crate::failure::Failure;

/// Ranges that the report lists.
const LISTED_MAX: usize = 16;

/// What could not be read.
#[derive(Debug, Default, Serialize)]
pub(super) struct LostReport {
    /// How many bytes that is, all of them zeros in the image.
    pub(super) bytes: u64,
    /// In how many ranges.
    pub(super) range_count: usize,
    /// The first of them.
    pub(super) ranges: Vec<LostRange>,
    /// Whether all of the ranges was lost; where there are too many of them, what
    /// lies between was read and is counted all the same.
    pub(super) exact: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct LostRange {
    pub(super) start: u64,
    pub(super) length: u64,
}

impl LostReport {
    pub(super) fn new(lost: &Lost) -> Self {
        let ranges = lost.ranges().take(LISTED_MAX);
        Self {
            bytes: lost.bytes(),
            range_count: lost.count(),
            ranges: ranges
                .map(|range| LostRange {
                    start: range.start,
                    length: range.end - range.start,
                })
                .collect(),
            exact: lost.is_exact(),
        }
    }
}

/// The file that `--lost` names, which appears when it is written.
pub(super) struct LostMap(Target);

impl LostMap {
    /// Begins the file, if one is asked for.
    pub(super) fn begin(args: &PackArgs, source: &Source<'_>) -> Result<Option<Self>, Failure> {
        let Some(path) = &args.lost else {
            return Ok(None);
        };
        // An image that is there already is to become the new one.
        let image = Disk::open(&args.image).ok().map(|image| image.identity());
        let options = TargetOptions {
            force: args.force,
            sync: !args.no_sync,
            sources: image.into_iter().chain([source.identity()]).collect(),
            ..TargetOptions::default()
        };
        Ok(Some(Self(Target::create(path, &options)?)))
    }

    /// Writes what was `lost`.
    pub(super) fn write(self, lost: &Lost) -> Result<(), Failure> {
        let Self(target) = self;
        let mut map = Vec::new();
        lost.write_map(&mut map)
            .and_then(|()| target.write_at(0, &map))
            .map_err(|error| Failure::about(target.path(), &error))?;
        Ok(target.commit()?)
    }
}
