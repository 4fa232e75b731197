//! The `qcow2` program under test.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fixtures::{Outcome, Tool};

use crate::task::Failure;
use crate::workspace;

/// The program.
#[derive(Clone, Debug)]
pub(crate) struct Program(Tool);

impl Program {
    /// The program at `path`; without a path, ours, built for release.
    pub(crate) fn at_or_built(path: Option<String>) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => PathBuf::from(path).canonicalize()?,
            None => build()?,
        };
        Ok(Self(Tool::at(path)))
    }

    /// The program itself.
    pub(crate) fn into_tool(self) -> Tool {
        self.0
    }

    /// `qcow2 pack` with `arguments` before the file names.
    pub(crate) fn pack(
        &self,
        arguments: &[String],
        source: &Path,
        image: &Path,
    ) -> io::Result<Outcome> {
        self.0
            .run(|command| command.arg("pack").args(arguments).arg(source).arg(image))
    }

    /// `qcow2 unpack` with `arguments` before the file names.
    pub(crate) fn unpack(
        &self,
        arguments: &[&str],
        image: &Path,
        target: &Path,
    ) -> io::Result<Outcome> {
        self.0
            .run(|command| command.arg("unpack").args(arguments).arg(image).arg(target))
    }
}

/// Builds the program for release and says where it is.
fn build() -> Result<PathBuf, Failure> {
    let built = workspace::cargo()
        .args(["build", "--release", "--package", "qcow2-cli"])
        .args([
            "--bin",
            "qcow2",
            "--message-format",
            "json-render-diagnostics",
        ])
        .stderr(Stdio::inherit())
        .output()?;
    let said = String::from_utf8_lossy(&built.stdout);
    let path = said
        .rsplit_once("\"executable\":\"")
        .and_then(|(_, behind)| Some(behind.split_once('"')?.0));
    match path {
        Some(path) if built.status.success() => Ok(PathBuf::from(path)),
        _ => Err(Failure::new("the program does not build")),
    }
}
