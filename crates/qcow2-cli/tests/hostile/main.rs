//! Every field of real filesystems set to hostile values: all of them in this
//! process, and a part through the program, whose memory and time are measured. Of
//! XFS, btrfs and NTFS all go through the program, and every byte in use has to be
//! kept.
//!
//! Without `HOSTILE_CASES` some values of each field, and some changes of several
//! fields of each filesystem; with it all values, and as many changes of several
//! fields as it says, a fifth of them through the program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod fields;
mod in_process;
mod through_program;

use std::process::ExitCode;

use fixtures::{E2fs, FsTools};
use libtest_mimic::Trial;

use support::mounts::cannot_mount;
use support::suite::{missing, run, trial};

fn main() -> ExitCode {
    match fixtures::measure::if_asked() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            return ExitCode::FAILURE;
        }
    }
    let mut trials = fields::checks();
    for name in fields::NAMES {
        let in_process = of_subject(format!("{name}, in process"), name, in_process::judge_all);
        trials.push(in_process.with_ignored_flag(false));
        let through_program = through_program::judge_some;
        trials.push(of_subject(
            format!("{name}, through the program"),
            name,
            through_program,
        ));
    }
    trials.extend(fields::FAMILIES.iter().map(of_family));
    run(trials)
}

/// What comes of a filesystem of another family than ext.
fn of_family(made: &'static fields::OfFamily) -> Trial {
    trial(format!("{}, through the program", made.name), move || {
        let Some(tools) = FsTools::find(made.family) else {
            let name = made.family.name();
            return missing(&format!("{name} is needed (`cargo xtask test --install`)"));
        };
        match made.subject(&tools)? {
            Ok(subject) => through_program::judge_some(&subject),
            Err(why) => cannot_mount(&why),
        }
    })
}

/// What `judge` finds in the filesystem `subject`.
fn of_subject(name: String, subject: &'static str, judge: Judge) -> Trial {
    trial(name, move || match E2fs::find() {
        Some(e2fs) => judge(&fields::subject(&e2fs, subject)?),
        None => missing("e2fsprogs is needed (`cargo xtask test --install`)"),
    })
}

/// Changes a filesystem, and says what is wrong with what comes of it.
type Judge = fn(&fields::Subject) -> std::io::Result<support::verdict::Verdict>;
