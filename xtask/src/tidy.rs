//! The house rules that a program can check.

mod circles;
mod docs;
mod finding;
mod holes;
mod imports;
mod layers;
mod portable;
mod sizes;
mod words;

use std::fs;
use std::io;
use std::path::Path;

use finding::File;

use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace;

/// `cargo xtask tidy`.
pub(crate) fn run(arguments: Arguments) -> TaskResult {
    arguments.finish()?;
    let root = workspace::root();
    let files = read_files(&root)?;
    let mut findings = layers::check(&root, &files)?;
    findings.extend(circles::check(&files));
    findings.extend(holes::check(&files));
    findings.extend(portable::check(&files));
    findings.extend(sizes::check(&files));
    findings.extend(words::check(&files));
    findings.extend(docs::check(&root, &files));
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    Err(Failure::new(format!("tidy: {} findings", findings.len())))
}

/// The files of the project that are text, but for the lock file.
fn read_files(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in workspace::files(root)? {
        let bytes = fs::read(root.join(&path))?;
        if let Ok(text) = String::from_utf8(bytes)
            && path != Path::new("Cargo.lock")
        {
            files.push(File { path, text });
        }
    }
    Ok(files)
}
