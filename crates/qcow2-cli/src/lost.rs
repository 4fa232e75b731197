//! Reports what could not be read, and writes the map of `--lost`.

use std::fmt::{self, Display};
use std::path::Path;

use blockio::WriteAt;
use blockio::salvage::Lost;
use hostdisk::{Identity, Target, TargetOptions};
use serde::Serialize;

use crate::failure::Failure;

/// Ranges that the report lists.
const LISTED_MAX: usize = 16;

/// What could not be read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct LostReport {
    /// How many bytes were lost; they are zeros in the output.
    pub(crate) bytes: u64,
    /// How many ranges they form.
    range_count: usize,
    /// The first of these ranges.
    ranges: Vec<LostRange>,
    /// Whether every byte of the ranges was lost. If there are too many ranges, they are
    /// joined, and the bytes between them, which were read, count as well.
    exact: bool,
}

#[derive(Debug, Serialize)]
struct LostRange {
    start: u64,
    length: u64,
}

impl LostReport {
    pub(crate) fn new(lost: &Lost) -> Self {
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

impl Display for LostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LostRange { start, length } in &self.ranges {
            writeln!(f, "lost     {length} bytes at {start:#x}")?;
        }
        if self.range_count > self.ranges.len() {
            let more = self.range_count - self.ranges.len();
            writeln!(f, "lost     and {more} more ranges")?;
        }
        if self.range_count > 0 {
            let at_most = if self.exact { "" } else { "at most " };
            writeln!(
                f,
                "lost     {at_most}{} bytes in total, replaced by zeros",
                self.bytes
            )?;
        }
        Ok(())
    }
}

/// The file named by `--lost`, which appears once it is written.
pub(crate) struct LostMap(Target);

impl LostMap {
    /// Starts the file at `path`, which must not be one of `others`.
    pub(crate) fn begin(
        path: &Path,
        force: bool,
        sync: bool,
        others: Vec<Identity>,
    ) -> Result<Self, Failure> {
        let options = TargetOptions {
            force,
            sync,
            sources: others,
            ..TargetOptions::default()
        };
        Ok(Self(Target::create(path, &options)?))
    }

    /// Writes the map of what was `lost`.
    pub(crate) fn write(self, lost: &Lost) -> Result<(), Failure> {
        let Self(target) = self;
        let mut map = Vec::new();
        lost.write_map(&mut map)
            .and_then(|()| target.write_at(0, &map))
            .map_err(|error| Failure::about(target.path(), &error))?;
        Ok(target.commit()?)
    }
}
