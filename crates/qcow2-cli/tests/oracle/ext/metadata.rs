//! Images of metadata: e2fsck judges the restored disk like the source, and one
//! with scrambled names tells none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use fixtures::Outcome;
use libtest_mimic::Trial;

use crate::support::judge::same_words;
use crate::support::round_trip::{Bench, DONE, DONE_UNCLEAN, Files, Report};
use crate::support::suite::check;

/// How `pack` ends where there is no metadata that it could tell.
const REFUSED: i32 = 1;

/// What it then says: no filesystem that can be believed, or a journal device.
const NO_METADATA: [&str; 2] = [
    ": there is no ext filesystem here\n",
    ": no metadata can be told from data: ",
];
/// And where only the kernel or e2fsck can replay the journal.
const NO_RECOVERY: &str = ": it cannot be recovered: ";

/// Images that e2fsck finds sound and that are refused all the same.
const REFUSED_THOUGH_SOUND: [(&str, &str); 2] = [
    (
        "f_first_meta_bg_too_big",
        "e2fsck goes by a corrected s_first_meta_bg, which moves the descriptors",
    ),
    (
        "j_corrupt_revoke_rcount",
        "e2fsck -n does not look into the journal, which is damaged",
    ),
];

/// Images of which e2fsck says more once their names are scrambled.
const MORE_WORDS: [(&str, &str); 2] = [
    (
        "f_clear_orphan_file",
        "the replayed journal names inodes to be deleted, which e2fsck -n does not do",
    ),
    (
        "f_unused_itable",
        "entries name inodes that were never used, and what lay there is not shown",
    ),
];

/// Names as short as this are in anything.
const NAME_BYTES_MIN: usize = 8;
/// Directories that are looked into for names.
const DIRECTORIES_MAX: usize = 200;
/// The root directory's inode.
const ROOT: &str = "2";

/// Packs the metadata of the source and restores it: e2fsck says the same.
pub(super) fn plain(
    bench: &Bench,
    files: &Files,
    arguments: &[&str],
    name: &str,
) -> io::Result<Report> {
    let before = bench.tools.fsck(&["-fn"], &files.source)?;
    let mut report = pack(bench, files, arguments, name, &before, &NO_METADATA)?;
    if restored(bench, files, &mut report)? && before.code.is_some() {
        let after = bench.tools.fsck(&["-fn"], &files.restored)?;
        same_words("e2fsck -fn", &before, &after, &mut report);
    }
    Ok(report)
}

/// The same with scrambled names: e2fsck says no more, and no name is left.
pub(super) fn scrambled(
    bench: &Bench,
    files: &Files,
    arguments: &[&str],
    name: &str,
) -> io::Result<Report> {
    let before = bench.tools.fsck(&["-fn"], &files.source)?;
    let [nothing, untold] = NO_METADATA;
    let refusals = [nothing, untold, NO_RECOVERY];
    let mut report = pack(bench, files, arguments, name, &before, &refusals)?;
    if !restored(bench, files, &mut report)? {
        return Ok(report);
    }
    let names = names(bench, files);
    let leaked = leaked(&names, &fs::read(&files.restored)?);
    if let Some(first) = leaked.first() {
        let (count, of) = (leaked.len(), names.len());
        report.problem(format!("{count} of {of} names are left, such as {first}"));
    }
    let after = bench.tools.fsck(&["-fn"], &files.restored)?;
    if before.code.is_none() || is_no_worse(&before, &after, name) {
        return Ok(report);
    }
    // What is in the journal is in the image, and e2fsck -n leaves it there.
    let replayed = &files.converted;
    fs::copy(&files.source, replayed)?;
    bench.tools.fsck(&["-y", "-E", "journal_only"], replayed)?;
    let replayed = bench.tools.fsck(&["-fn"], replayed)?;
    if !is_no_worse(&replayed, &after, name) {
        let ([was, is], line) = ([&replayed, &after].map(words), after.brief(160));
        let codes = [replayed.code, after.code];
        report.problem(format!(
            "e2fsck -fn: {codes:?}, {was} to {is} lines: {line}"
        ));
    }
    Ok(report)
}

/// Packs the source, which may be refused with one of `refusals` where e2fsck
/// found fault with it.
fn pack(
    bench: &Bench,
    files: &Files,
    arguments: &[&str],
    name: &str,
    before: &Outcome,
    refusals: &[&str],
) -> io::Result<Report> {
    let packed = bench.program.pack(arguments, &files.source, &files.image)?;
    let mut report = Report {
        code: packed.code,
        sound: before.success(),
        ..Report::default()
    };
    if matches!(packed.code, Some(DONE | DONE_UNCLEAN)) {
        return Ok(report);
    }
    let told = refusals.iter().any(|text| packed.stderr.contains(text));
    let excused = REFUSED_THOUGH_SOUND.iter().any(|(image, _)| *image == name);
    if packed.code != Some(REFUSED) || !told || (report.sound && !excused) {
        report.expect("pack", &packed);
    }
    if files.image.exists() {
        report.problem("a refused source left an image");
    }
    Ok(report)
}

/// Restores the image, if there is one.
fn restored(bench: &Bench, files: &Files, report: &mut Report) -> io::Result<bool> {
    Ok(files.image.exists() && bench.restore(files, report)?)
}

/// Whether e2fsck ends no worse, and says no more unless `name` is excused.
fn is_no_worse(before: &Outcome, after: &Outcome, name: &str) -> bool {
    let excused = MORE_WORDS.iter().any(|(image, _)| *image == name);
    after.code.is_some() && after.code <= before.code && (excused || words(after) <= words(before))
}

/// How many lines e2fsck printed.
fn words(outcome: &Outcome) -> usize {
    outcome.stdout.lines().count() + outcome.stderr.lines().count()
}

/// The long names that debugfs finds in the source, deleted ones included.
fn names(bench: &Bench, files: &Files) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::from([ROOT.to_owned()]);
    let mut next = vec![ROOT.to_owned()];
    while let Some(inode) = next.pop() {
        // What debugfs cannot read, it has no names of.
        let request = format!("ls -d -p <{inode}>");
        let list = bench.tools.ask(&files.source, &request).unwrap_or_default();
        for line in list.lines() {
            let Some((inode, mode, name)) = entry(line) else {
                continue;
            };
            let is_directory = mode.starts_with("04");
            if is_directory && seen.len() < DIRECTORIES_MAX && seen.insert(inode.into()) {
                next.push(inode.into());
            }
            if name.len() >= NAME_BYTES_MIN && name != "lost+found" {
                names.insert(name.into());
            }
        }
    }
    names
}

/// Inode, mode and name in a line of `ls -p`: `/12/040755/0/0/name//`.
fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.strip_prefix('/')?.split('/');
    let (inode, mode) = (fields.next()?, fields.next()?);
    let name = fields.nth(2)?;
    Some((inode, mode, name))
}

/// Which of the `names` are somewhere in `bytes`.
fn leaked<'a>(names: &'a BTreeSet<String>, bytes: &[u8]) -> BTreeSet<&'a str> {
    let mut by_start = BTreeMap::<&[u8], Vec<&str>>::new();
    for name in names {
        let start = name.as_bytes().get(..NAME_BYTES_MIN).unwrap_or_default();
        by_start.entry(start).or_default().push(name);
    }
    let mut found = BTreeSet::new();
    for (at, window) in bytes.windows(NAME_BYTES_MIN).enumerate() {
        if window.first() == Some(&0) {
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let here = by_start.get(window).into_iter().flatten();
        found.extend(here.filter(|name| rest.starts_with(name.as_bytes())));
    }
    found
}

/// Tests of this suite.
pub(super) fn checks() -> Vec<Trial> {
    vec![
        check(
            "names that are left are found",
            names_that_are_left_are_found,
        ),
        check("lines of debugfs", lines_of_debugfs),
        check(
            "worse is a higher code or more lines",
            worse_is_a_higher_code_or_more_lines,
        ),
    ]
}

fn names_that_are_left_are_found() {
    let names = ["longest-name", "longest-names", "another-name"];
    let names = BTreeSet::from(names.map(String::from));
    let found = leaked(&names, b"\0\0xlongest-name\0another-nam");
    assert_eq!(found, BTreeSet::from(["longest-name"]));
    assert!(leaked(&names, b"longest").is_empty());
}

fn lines_of_debugfs() {
    let line = "/13/100644/0/0/a file name/12/";
    assert_eq!(entry(line), Some(("13", "100644", "a file name")));
    assert_eq!(entry("ls: no such directory"), None);
}

fn worse_is_a_higher_code_or_more_lines() {
    let said = |code, lines: usize| Outcome {
        code: Some(code),
        stdout: "x\n".repeat(lines),
        stderr: String::new(),
    };
    assert!(is_no_worse(&said(4, 9), &said(4, 9), "a"));
    assert!(is_no_worse(&said(4, 9), &said(0, 5), "a"));
    assert!(!is_no_worse(&said(4, 9), &said(4, 10), "a"));
    assert!(!is_no_worse(&said(0, 9), &said(4, 9), "f_unused_itable"));
    assert!(is_no_worse(&said(4, 9), &said(4, 10), "f_unused_itable"));
}
