//! The pages of `docs/guides`: every command on them is run, ends as the page says and
//! prints what the page shows.
//!
//! A page is run from top to bottom by one shell, in an empty folder that its setup
//! (`setup/PAGE.sh`) has filled with what the reader has before he begins. As root
//! the shell has a folder `/dev` of its own, in which loop devices have the names of the
//! disks on the page. `page.rs` describes how a page is written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod page;
mod session;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

use page::Page;
use session::{Machine, Session};

/// Where the pages are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides");

/// Pages that have no commands: the list of the pages, and those whose examples are
/// documentation tests of a crate.
const OTHERS: [&str; 3] = [
    "README",
    "pack-with-the-libraries",
    "read-with-the-libraries",
];

macro_rules! pages {
    ($($test:ident: $page:literal on $machine:ident with $tools:expr;)+) => {
        $(#[test] fn $test() { check($page, Machine::$machine, &$tools); })+

        /// The pages that are run.
        const PAGES: &[&str] = &[$($page),+];
    };
}

pages! {
    the_increments_are_backed_up: "back-up-by-increments" on WithDisks with ["e2fsck"];
    the_server_is_imaged: "image-a-server" on WithDisks with [];
    the_installer_installs: "install-from-an-image" on WithDisks
        with ["sgdisk", "e2fsck", "resize2fs", "xz"];
    the_container_disk_is_built: "kubevirt-container-disk" on WithFiles with [];
    the_disk_is_restored: "restore-to-a-disk" on WithDisks with ["sgdisk", "e2fsck"];
    the_metadata_is_sent: "send-metadata" on WithDisks with ["e2fsck"];
    the_machine_is_shrunk: "shrink-a-virtual-machine" on WithFiles with ["qemu-io"];
}

/// Runs the page `name` on `machine`, which must have `tools` besides those of all pages.
#[track_caller]
fn check(name: &str, machine: Machine, tools: &[&str]) {
    let path = Path::new(FOLDER).join(format!("{name}.md"));
    let text = fs::read_to_string(&path).unwrap();
    let page = Page::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Some(session) = Session::new(name, machine, tools) else {
        return;
    };
    let faults = session.run(&page);
    let faults: Vec<_> = faults
        .iter()
        .map(|fault| format!("{name}.md:{fault}"))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_is_run() {
    let mut pages: Vec<_> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    pages.sort();
    let mut known: Vec<_> = PAGES.iter().chain(&OTHERS).copied().collect();
    known.sort_unstable();
    assert_eq!(pages, known);
}

#[test]
fn every_page_is_listed() {
    let list = fs::read_to_string(Path::new(FOLDER).join("README.md")).unwrap();
    for page in PAGES.iter().chain(&OTHERS[1..]) {
        assert!(list.contains(&format!("({page}.md)")), "{page}");
    }
}
