//! Filesystems of every make, size and fill level, and unusual disks, through the
//! program. Those of a quick run; with `QCOW2_TESTS=full` all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod distrust;
mod families;
mod fill_levels;
mod interop;
mod judges;
mod makes;
mod source;
mod special;

use std::process::ExitCode;

use case::Case;
use judges::checks;
use support::mounts::scratch;
use support::suite::{Level, level, run, trial};

fn main() -> ExitCode {
    let mut cases = all_cases();
    cases.retain(|case| case.quick || level() == Level::Full);
    let trials = cases.into_iter().map(|case| {
        trial(case.name, move || {
            let folder = scratch()?;
            (case.run)(folder.path())
        })
    });
    let own = checks().into_iter().chain(families::checks());
    run(trials.chain(own).collect())
}

fn all_cases() -> Vec<Case> {
    let mut cases = makes::cases();
    cases.extend(fill_levels::cases());
    cases.extend(special::cases());
    cases.extend(distrust::cases());
    cases.extend(interop::cases());
    cases.extend(families::cases());
    cases
}
