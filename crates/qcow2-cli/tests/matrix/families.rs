//! XFS, btrfs, NTFS, FAT and exFAT: every make, empty, half full and full, over
//! zeros and over old data, by the programs of the machine and by newer ones.

mod fill;
mod makes;
mod trip;

use fixtures::{FsTools, newer_tools};
use libtest_mimic::Trial;

use super::case::Case;
use crate::support::suite::{check, trial};
use crate::support::verdict::Verdict;
use crate::support::{blocks, tree, whole};
use makes::{MAKES, Make};

/// How full a filesystem is, and what was on the disk before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    name: &'static str,
    fill: Fill,
    /// The disk is full of old data when the filesystem is made.
    over_old_data: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    Empty,
    /// Files of all kinds, much of them written, changed and deleted before.
    Half,
    /// The same, and then as much as there is room for.
    Full,
}

const fn shape(name: &'static str, fill: Fill, over_old_data: bool) -> Shape {
    Shape {
        name,
        fill,
        over_old_data,
    }
}

const SHAPES: [Shape; 4] = [
    shape("half full over old data", Fill::Half, true),
    shape("empty over old data", Fill::Empty, true),
    shape("full", Fill::Full, false),
    shape("half full", Fill::Half, false),
];

/// Who makes and judges a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progs {
    Machine,
    Newer,
}

/// Every make in each shape; without `QCOW2_TESTS=full` the quick ones in the first
/// shape, and the first make of each family in the first three.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for make in &MAKES {
        for (number, shape) in SHAPES.iter().enumerate() {
            let quick = make.quick && (number == 0 || make.is_first() && number < 3);
            if !make.newer_only {
                cases.push(case(make, shape, Progs::Machine, quick));
            }
            if newer_tools().is_some() {
                cases.push(case(make, shape, Progs::Newer, quick));
            }
        }
    }
    cases
}

fn case(make: &'static Make, shape: &'static Shape, progs: Progs, quick: bool) -> Case {
    let family = make.family;
    let newer = if progs == Progs::Newer {
        ", newer programs"
    } else {
        ""
    };
    let name = format!("{} {}, {}{newer}", family.name(), make.name, shape.name);
    let tools = move || match progs {
        Progs::Machine => FsTools::find(family),
        // Some of them are of no use to us in a newer version.
        Progs::Newer => FsTools::find_newer(family).or_else(|| FsTools::find(family)),
    };
    Case::of_family(name, quick, tools, move |bench, folder| {
        trip::judge(bench, folder, make, shape)
    })
}

/// Tests of this part of the suite.
pub(super) fn checks() -> Vec<Trial> {
    let mut checks = vec![
        check("bytes are counted right", blocks::check),
        check("differences of trees are seen", tree::check),
        check("garbage and disagreements are seen", whole::check),
        check("marks of deleted files are found", trip::check),
    ];
    if newer_tools().is_none() {
        let none = || {
            Ok(Verdict::Skipped(
                "no newer programs: QCOW2_NEWER_TOOLS names none".into(),
            ))
        };
        checks.push(trial("newer programs", none));
    }
    checks
}
