//! The public API of each library as text, so that a change of it is seen in review.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use cargo_metadata::{MetadataCommand, Package, TargetKind};
use fixtures::Tool;

use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace::{cargo, root};

/// Where the snapshots are, one file for each crate.
const FOLDER: &str = "docs/api";
const INSTALL: &str = "cargo install cargo-public-api --locked && rustup toolchain install nightly";

/// `cargo xtask api`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let write = arguments.flag("--write");
    arguments.finish()?;
    if Tool::find("cargo-public-api").is_none() {
        println!("SKIPPED the public APIs: cargo-public-api is missing ({INSTALL})");
        return Ok(());
    }
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    let mut changed = 0;
    for name in libraries(&root())? {
        let now = public_api(&name)?;
        let path = folder.join(format!("{name}.txt"));
        if write {
            fs::write(&path, now)?;
            continue;
        }
        let changes = changes(&read(&path)?, &now);
        if !changes.is_empty() {
            changed += 1;
            println!("{FOLDER}/{name}.txt:\n{}", changes.join("\n"));
        }
    }
    if changed > 0 {
        return Err(Failure::new(format!(
            "the API of {changed} crates is another than in {FOLDER}; if that is meant: \
             `cargo xtask api --write`"
        )));
    }
    Ok(())
}

/// The libraries among the crates in `crates`, sorted.
fn libraries(root: &Path) -> Result<BTreeSet<String>, Failure> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| Failure::new(format!("cargo metadata: {error}")))?;
    let crates = root.join("crates");
    let is_library = |package: &&&Package| {
        let mut kinds = package.targets.iter().flat_map(|target| &target.kind);
        package.manifest_path.as_std_path().starts_with(&crates)
            && kinds.any(|kind| *kind == TargetKind::Lib)
    };
    let packages = metadata.workspace_packages();
    let libraries = packages.iter().filter(is_library);
    Ok(libraries.map(|package| package.name.to_string()).collect())
}

/// One line for each item of `name`, as the tool sorts them.
fn public_api(name: &str) -> Result<String, Failure> {
    let output = cargo()
        .args(["public-api", "--package", name, "--all-features"])
        // What a derive or the compiler adds says nothing that the item does not.
        .args([
            "--omit",
            "blanket-impls,auto-trait-impls,auto-derived-impls",
        ])
        .args(["--color", "never"])
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("cargo public-api of {name}: {said}")));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::new(error.to_string()))
}

/// The snapshot at `path`; a missing one is empty.
fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// The lines that are only in one of the two, with `-` or `+` in front.
fn changes(before: &str, now: &str) -> Vec<String> {
    let lines = |text: &'static str, of: &str, other: &str| -> Vec<String> {
        let other: BTreeSet<_> = other.lines().collect();
        let only = of.lines().filter(|line| !other.contains(line));
        only.map(|line| format!("{text}{line}")).collect()
    };
    let mut changes = lines("-", before, now);
    changes.extend(lines("+", now, before));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_side_are_changes() {
        assert_eq!(changes("a\nb\n", "a\nc\n"), ["-b", "+c"]);
        assert!(changes("a\nb\n", "a\nb\n").is_empty());
        assert_eq!(changes("", "pub mod a\n"), ["+pub mod a"]);
    }

    #[test]
    fn the_libraries_are_found_and_the_program_is_not() {
        let found = libraries(&root()).map_err(|failure| failure.to_string());
        let found = found.unwrap_or_default();
        assert!(found.contains("blockio") && found.contains("disk-layout"));
        assert!(!found.contains("qcow2-cli") && !found.contains("fixtures"));
    }
}
