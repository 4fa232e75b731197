//! The `qcow2` program that a task runs.

use std::path::PathBuf;
use std::process::Stdio;

use cargo_metadata::Message;
use fixtures::Program;

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
