//! What a check of the image finds.

use blockio::ReadAt;
use qcow2_check::{AuditOptions, audit};
use qcow2_map::ImageMap;
use serde::Serialize;

use crate::error::Error;

/// Findings that are listed.
const LISTED_MAX: usize = 100;

/// What a check of the image finds. The files that it depends on are not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first of them, one line each.
    pub lines: Vec<String>,
}

impl Findings {
    /// Checks the image file of `map`.
    pub(crate) fn new<S: ReadAt>(map: &ImageMap<S>) -> Result<Self, Error> {
        let Some(file) = map.files().first() else {
            return Ok(Self::default());
        };
        let mut options = AuditOptions::default();
        options.faults_max = LISTED_MAX;
        let found = audit(file, &options)?;
        let listed = found.faults.iter().take(LISTED_MAX);
        Ok(Self {
            count: found.totals.values().sum(),
            lines: listed.map(ToString::to_string).collect(),
        })
    }
}
