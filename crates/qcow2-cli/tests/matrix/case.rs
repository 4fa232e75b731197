//! A filesystem, and what must hold for it.

use std::io;
use std::path::Path;

use fixtures::{E2fs, FsTools};

use crate::support::round_trip::Bench;
use crate::support::suite::with_bench;
use crate::support::verdict::Verdict;

/// What a case does, in an empty folder.
type Run = Box<dyn Fn(&Path) -> io::Result<Verdict> + Send + Sync>;

/// One filesystem and what must hold for it.
pub(super) struct Case {
    pub(super) name: String,
    /// Whether it runs without `QCOW2_TESTS=full`.
    pub(super) quick: bool,
    pub(super) run: Run,
}

impl Case {
    /// A case of ext, with the program and its judges.
    pub(super) fn new(
        name: impl Into<String>,
        quick: bool,
        run: impl Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            quick,
            run: Box::new(move |folder| {
                with_bench(E2fs::find(), "e2fsprogs", |bench| run(bench, folder))
            }),
        }
    }

    /// A case of another filesystem, with the `tools` of its family.
    pub(super) fn of_family(
        name: impl Into<String>,
        quick: bool,
        tools: impl Fn() -> Option<FsTools> + Send + Sync + 'static,
        run: impl Fn(&Bench<FsTools>, &Path) -> io::Result<Verdict> + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        Self {
            name: name.clone(),
            quick,
            run: Box::new(move |folder| {
                with_bench(
                    tools(),
                    &format!("what makes and checks `{name}`"),
                    |bench| run(bench, folder),
                )
            }),
        }
    }
}
