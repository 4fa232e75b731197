//! A filesystem, and what must hold for it.

use std::io;
use std::path::Path;

use crate::roundtrip::{Bench, DONE, Report};
use crate::task::verdict::Verdict;

/// What a case does: with the program and its judges, in an empty folder.
type Run = Box<dyn Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync>;

/// One filesystem and what must hold for it.
pub(super) struct Case {
    pub(super) name: String,
    /// Whether it runs without `--full`.
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

impl Verdict {
    /// Of a round trip that had to end with `code`; with 0, free bytes may not
    /// be kept.
    pub(super) fn of(report: Report, code: i32) -> Self {
        let ended = report.code;
        let report = if code == DONE {
            report.must_be_lean()
        } else {
            report
        };
        let text = format!("pack ended with {ended:?}, not {code}");
        Self::Ran(report.problems).and(Self::check(ended == Some(code), text))
    }
}
