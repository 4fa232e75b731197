//! The tools of a filesystem's own, which judge what comes of it.

use std::io;
use std::path::Path;

use fixtures::{E2fs, FsTools, Outcome, Usage};

use super::round_trip::Report;

/// The tools of a family of filesystems.
pub(crate) trait Judge {
    /// What the checker says of `disk`, which stays as it is.
    fn check(&self, disk: &Path) -> io::Result<Outcome>;

    /// Which bytes of `disk` nobody needs; `None` if that cannot be read.
    fn usage(&self, disk: &Path) -> io::Result<Option<Usage>>;

    /// What the checker says while it repairs `disk`, if it says the same each time.
    fn repair(&self, disk: &Path) -> io::Result<Option<Outcome>>;
}

impl Judge for E2fs {
    fn check(&self, disk: &Path) -> io::Result<Outcome> {
        self.fsck(&["-fn"], disk)
    }

    fn usage(&self, disk: &Path) -> io::Result<Option<Usage>> {
        self.usage(disk)
    }

    fn repair(&self, disk: &Path) -> io::Result<Option<Outcome>> {
        self.fsck(&["-fy"], disk).map(Some)
    }
}

impl Judge for FsTools {
    fn check(&self, disk: &Path) -> io::Result<Outcome> {
        self.check(disk)
    }

    fn usage(&self, disk: &Path) -> io::Result<Option<Usage>> {
        self.usage(disk)
    }

    fn repair(&self, _disk: &Path) -> io::Result<Option<Outcome>> {
        Ok(None)
    }
}

/// Whether a checker said the same twice; else that is a problem.
pub(crate) fn same_words(what: &str, one: &Outcome, other: &Outcome, report: &mut Report) -> bool {
    if one != other {
        let first = first_other_line(one, other);
        report.problem(format!("{what} differs: {first}"));
    }
    one == other
}

/// The first line that two runs do not share, as each of them says it.
pub(crate) fn first_other_line(one: &Outcome, other: &Outcome) -> String {
    if one.code != other.code {
        return format!("{:?}, then {:?}", one.code, other.code);
    }
    let all = |outcome: &Outcome| format!("{}{}", outcome.stdout, outcome.stderr);
    let (one, other) = (all(one), all(other));
    let pairs = one.lines().zip(other.lines());
    let first = pairs.into_iter().find(|(one, other)| one != other);
    first.map_or("one says more".into(), |(one, other)| {
        format!("`{one}`, then `{other}`")
    })
}
