//! A filesystem, and what must hold for it.

use std::io;
use std::path::Path;

use crate::support::round_trip::Bench;
use crate::support::verdict::Verdict;

/// What a case does: with the program and its judges, in an empty folder.
type Run = Box<dyn Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync>;

/// One filesystem and what must hold for it.
pub(super) struct Case {
    pub(super) name: String,
    /// Whether it runs without `QCOW2_TESTS=full`.
    pub(super) quick: bool,
    pub(super) run: Run,
}

impl Case {
    pub(super) fn new(
        name: impl Into<String>,
        quick: bool,
        run: impl Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            quick,
            run: Box::new(run),
        }
    }
}
