//! A folder of qcow2 images made by others, each of one filesystem: its family is
//! the first word of its name, as in `ntfs-windows.qcow2.gz`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fixtures::{Family, FsTools};
use libtest_mimic::Trial;

use crate::decompress;
use crate::support::judge::Judge;
use crate::support::mounts::scratch;
use crate::support::round_trip::{Bench, DONE, Files};
use crate::support::suite::{judged, trial, with_bench};
use crate::support::verdict::Verdict;
use crate::support::whole;

/// Every such image in `folder`.
pub(super) fn trials(folder: &Path) -> io::Result<Vec<Trial>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".qcow2.gz") {
            found.push((name.into_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found.into_iter().filter_map(of_image).collect())
}

/// The test of an image, if its name says what it is.
fn of_image((name, path): (String, PathBuf)) -> Option<Trial> {
    let (first, _) = name.split_once('-')?;
    if first.starts_with("ext") {
        return Some(judged(name, move |bench| {
            let folder = scratch()?;
            let files = source(bench, folder.path(), &path)?;
            Ok(Verdict::of(bench.round_trip(&files, &[])?, DONE))
        }));
    }
    let is = |family: &Family| family.name().eq_ignore_ascii_case(first);
    let family = Family::ALL.into_iter().find(is)?;
    Some(trial(name, move || {
        with_bench(FsTools::find(family), family.name(), |bench| {
            let folder = scratch()?;
            let files = source(bench, folder.path(), &path)?;
            let inside = whole::tree(bench, folder.path(), &files.source);
            whole::judge(bench, folder.path(), inside.ok().as_ref())
        })
    }))
}

/// The disk in `image`, by qemu-img.
fn source<J: Judge>(bench: &Bench<J>, folder: &Path, image: &Path) -> io::Result<Files> {
    let files = Files::new(folder);
    let qcow2 = folder.join("original");
    decompress(image, &qcow2)?;
    bench.qemu.unpack(&qcow2, &files.source)?;
    Ok(files)
}
