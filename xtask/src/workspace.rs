//! Where the workspace is, and what is in it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::Tool;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// The cargo that runs us, in the folder of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The files of the project, relative to `root`, sorted: those that git tracks
/// or would add, else all that are not build results.
pub(crate) fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = Tool::find("git")
        .and_then(|git| git.run(|command| command.args(list).current_dir(root)).ok())
        .filter(fixtures::Outcome::success);
    let mut files = match listed {
        Some(listed) => listed.stdout.lines().map(PathBuf::from).collect(),
        None => walk(root, Path::new(""))?,
    };
    files.retain(|file| root.join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        let path = folder.join(&name);
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if name != "target" && name != ".git" {
            found.extend(walk(root, &path)?);
        }
    }
    Ok(found)
}
