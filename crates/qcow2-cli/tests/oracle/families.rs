//! A folder of qcow2 images made by others, each of one filesystem: its family is
//! the first word of its name, as in `ntfs-windows.qcow2.gz`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fixtures::{Family, FsTools, Qemu};
use libtest_mimic::Trial;

use crate::decompress;
use crate::support::mounts::scratch;
use crate::support::round_trip::{Bench, Files};
use crate::support::suite::{trial, with_bench};
use crate::support::verdict::Verdict;
use crate::support::whole;

/// Every such image in `folder`.
pub(super) fn trials(folder: &Path) -> io::Result<Vec<Trial>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (first, _) = name.split_once('-').unwrap_or_default();
        let is = |family: &Family| family.name().eq_ignore_ascii_case(first);
        let family = Family::ALL.into_iter().find(is);
        if let Some(family) = family.filter(|_| name.ends_with(".qcow2.gz")) {
            found.push((name.into_owned(), family, path.clone()));
        }
    }
    found.sort();
    let trials = found.into_iter().map(|(name, family, path)| {
        trial(name, move || {
            with_bench(FsTools::find(family), family.name(), |bench| {
                judge(bench, &path)
            })
        })
    });
    Ok(trials.collect())
}

fn judge(bench: &Bench<FsTools>, image: &PathBuf) -> io::Result<Verdict> {
    let folder = scratch()?;
    let files = Files::new(folder.path());
    let qcow2 = folder.path().join("original");
    decompress(image, &qcow2)?;
    Qemu::unpack(&bench.qemu, &qcow2, &files.source)?;
    let inside = whole::tree(bench, folder.path(), &files.source);
    whole::judge(bench, folder.path(), inside.ok().as_ref())
}
