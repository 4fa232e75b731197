//! The house rules that a program can check.

mod docs;
mod holes;
mod layers;
mod sizes;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::arguments::Arguments;
use crate::workspace;
use crate::{Failure, TaskResult};

/// A text file of the project.
#[derive(Debug)]
struct File {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

impl File {
    fn finding(&self, line: usize, text: impl Into<String>) -> Finding {
        Finding::new(&self.path, line, text)
    }
}

/// Something that is not as it should be, and where.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: PathBuf,
    line: usize,
    text: String,
}

impl Finding {
    fn new(path: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.text)
    }
}

/// `cargo xtask tidy`.
pub(crate) fn run(arguments: Arguments) -> TaskResult {
    arguments.finish()?;
    let root = workspace::root();
    let files = read_files(&root)?;
    let mut findings = layers::check(&files);
    findings.extend(holes::check(&files));
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
