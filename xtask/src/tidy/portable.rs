//! The crates that build for any system name nothing of the one below.

use std::ffi::OsStr;
use std::path::Path;

use super::finding::{File, Finding};
use super::imports::{self, Reference};

/// The crates that name no files and make no system calls.
const CRATES: [&str; 18] = [
    "crates/blockio",
    "crates/pipeline",
    "crates/qcow2-format",
    "crates/qcow2-codec",
    "crates/luks",
    "crates/ext-format",
    "crates/ext-blocks",
    "crates/ext-scramble",
    "crates/fat-blocks",
    "crates/ntfs-blocks",
    "crates/btrfs-blocks",
    "crates/xfs-blocks",
    "crates/qcow2-writer",
    "crates/qcow2-map",
    "crates/qcow2-check",
    "crates/qcow2-reader",
    "crates/disk-compare",
    "crates/disk-layout",
];

/// What is only built with a feature of its crate that asks for the system.
const WITH_FEATURE: [&str; 1] = ["crates/qcow2-map/src/gate/files.rs"];

/// Starts of paths that lead to the system below.
const OF_THE_SYSTEM: [&[&str]; 6] = [
    &["std", "fs"],
    &["std", "os"],
    &["libc"],
    &["nix"],
    &["rustix"],
    &["tempfile"],
];

/// Finds paths to the system below in the sources of those crates. Tests are exempt.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let sources = files.iter().filter(|file| is_portable(&file.path));
    sources.flat_map(of_the_system).collect()
}

fn is_portable(path: &Path) -> bool {
    let is_test = |part: &OsStr| part == "tests" || part == "tests.rs";
    CRATES
        .iter()
        .any(|folder| path.starts_with(Path::new(folder).join("src")))
        && path.extension() == Some(OsStr::new("rs"))
        && !path.iter().any(is_test)
        && !WITH_FEATURE.iter().any(|file| path == Path::new(file))
}

/// One finding for each such path in a file that can be read as Rust.
fn of_the_system(file: &File) -> Vec<Finding> {
    let names = imports::read(&file.text).unwrap_or_default();
    let mut found: Vec<_> = names.references.iter().filter(|path| leads(path)).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.dedup();
    let told = |Reference(path): &Reference| {
        let text = format!("names `{}` in a crate for any system", path.join("::"));
        file.finding(1, text)
    };
    found.into_iter().map(told).collect()
}

fn leads(Reference(path): &Reference) -> bool {
    let all = path.len() == 2 && path.starts_with(&["std".to_owned(), "*".to_owned()]);
    all || OF_THE_SYSTEM
        .iter()
        .any(|start| path.len() >= start.len() && path.iter().zip(*start).all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_leads_to_the_system_is_found() {
        let code = "use std::{fs::{self, File}, io, path::Path};\nuse std::os::fd::AsFd;\n\
                    fn f(kind: Kind) -> bool {\n    rustix::fs::sync();\n    \
                    let at: std::fs::Metadata = g();\n    matches!(kind, Kind::File)\n}\n\
                    #[cfg(test)]\nmod tests {\n    use nix::libc;\n}\n";
        let told: Vec<_> = [
            "rustix::fs::sync",
            "std::fs",
            "std::fs::File",
            "std::fs::Metadata",
            "std::os::fd::AsFd",
        ]
        .map(|name| format!("crates/blockio/src/a.rs:1: names `{name}` in a crate for any system"))
        .into();
        assert_eq!(findings("crates/blockio/src/a.rs", code), told);
        let none = Vec::<String>::new();
        for path in [
            "crates/blockio/src/a/tests.rs",
            "crates/blockio/tests/a.rs",
            "crates/hostdisk/src/a.rs",
            "crates/qcow2-map/src/gate/files.rs",
            "xtask/src/a.rs",
        ] {
            assert_eq!(findings(path, code), none, "{path}");
        }
        assert_eq!(
            findings("crates/blockio/src/a.rs", "use std::*;\n").len(),
            1
        );
    }
}
