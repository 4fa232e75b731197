//! The programs that a task runs: ours, and those it cannot do without.

use std::path::PathBuf;
use std::process::Stdio;

use cargo_metadata::Message;
use fixtures::{Program, Tool};

use crate::task::Failure;
use crate::workspace;

/// The program at `path`; without a path, ours, built for release.
pub(crate) fn at_or_built(path: Option<String>) -> Result<Program, Failure> {
    let path = match path {
        Some(path) => PathBuf::from(path).canonicalize()?,
        None => build()?,
    };
    Ok(Program::at(path))
}

/// The program `name` of the machine, which must be there.
pub(crate) fn required(name: &str) -> Result<Tool, Failure> {
    Tool::find(name).ok_or(Failure::new(format!("{name} is not installed")))
}

/// Builds the program for release and says where it is.
fn build() -> Result<PathBuf, Failure> {
    let built = workspace::cargo()
        .args(["build", "--release", "--package=qcow2-cli", "--bin=qcow2"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    let path = Message::parse_stream(&built.stdout[..]).find_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) => artifact.executable,
        _ => None,
    });
    match path {
        Some(path) if built.status.success() => Ok(path.into()),
        _ => Err(Failure::new("the program does not build")),
    }
}
