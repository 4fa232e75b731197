//! Folders of images, many of them damaged, each image through the program: of
//! ext filesystems, qcow2 images with a manifest, or qcow2 images of filesystems of
//! other families.
//!
//! `QCOW2_CORPUS` names the folders, with colons between them. Of ext images
//! `QCOW2_CORPUS_PART=6` takes a sixth for each way to pack, and `QCOW2_PACK_ARGS`
//! adds options.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod ext;
mod families;
mod qcow2;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::read::MultiGzDecoder;
use libtest_mimic::Trial;

use support::suite::{run, trial, variable};
use support::verdict::Verdict;

/// Names the folders.
const CORPUS: &str = "QCOW2_CORPUS";

fn main() -> ExitCode {
    let mut trials = ext::checks();
    trials.extend(qcow2::checks());
    let folders = variable(CORPUS).unwrap_or_default();
    let folders: Vec<_> = folders
        .split(':')
        .filter(|folder| !folder.is_empty())
        .collect();
    if folders.is_empty() {
        let none = || Ok(Verdict::Skipped(format!("no corpus: {CORPUS} names none")));
        trials.push(trial("a corpus", none));
    }
    for folder in folders {
        trials.extend(of_folder(&PathBuf::from(folder)));
    }
    run(trials)
}

/// The images of a folder; one that fails where it cannot be read.
fn of_folder(folder: &Path) -> Vec<Trial> {
    let found = if folder.join("manifest.tsv").is_file() {
        qcow2::trials(folder)
    } else {
        ext::trials(folder).and_then(|mut found| {
            found.extend(families::trials(folder)?);
            Ok(found)
        })
    };
    found.unwrap_or_else(|error| {
        let name = folder.display().to_string();
        vec![trial(name, || Err(error))]
    })
}

/// Copies an image, expanded where its name ends in `.gz`.
fn decompress(image: &Path, to: &Path) -> io::Result<()> {
    let mut to = File::create(to)?;
    let mut from = File::open(image)?;
    if image.extension().is_some_and(|extension| extension == "gz") {
        io::copy(&mut MultiGzDecoder::new(from), &mut to)?;
    } else {
        io::copy(&mut from, &mut to)?;
    }
    Ok(())
}
