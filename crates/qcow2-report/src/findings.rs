//! What a check of the image finds.

use std::ops::ControlFlow;

use blockio::ReadAt;
use qcow2_check::{Scope, check};
use qcow2_map::ImageMap;
use serde::Serialize;

use crate::error::Error;

/// Findings that are listed.
const LISTED_MAX: usize = 100;

/// Most findings that are counted.
const COUNTED_MAX: u64 = 1 << 20;

/// What a check of the image finds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Findings {
    /// How many there are, at least.
    pub count: u64,
    /// Whether there may be more.
    pub is_more: bool,
    /// The first of them, one line each.
    pub lines: Vec<String>,
}

impl Findings {
    /// Checks `map`, and what it depends on.
    pub(crate) fn new<S: ReadAt>(map: &ImageMap<S>) -> Result<Self, Error> {
        let mut findings = Self::default();
        check(map, Scope::All, |finding| {
            findings.count = findings.count.saturating_add(1);
            if findings.lines.len() < LISTED_MAX {
                findings.lines.push(finding.to_string());
            }
            findings.is_more = findings.count >= COUNTED_MAX;
            match findings.is_more {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        Ok(findings)
    }
}
