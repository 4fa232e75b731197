//! The program, linked statically.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cargo_metadata::Message;
use fixtures::Tool;

use crate::task::Failure;
use crate::workspace;

/// The program to distribute.
pub(super) struct Built {
    pub(super) path: PathBuf,
    /// Such as `0.1.0`.
    pub(super) version: String,
    /// Whether it needs no library of the machine.
    pub(super) is_static: bool,
}

impl Built {
    /// The program at `path`, which runs on this machine.
    pub(super) fn at(path: PathBuf) -> Result<Self, Failure> {
        let printed = Tool::at(path.clone()).ok(|command| command.arg("--version"))?;
        let version = printed.split_whitespace().nth(1);
        let version = version.ok_or_else(|| Failure::new(format!("no version in {printed:?}")))?;
        Ok(Self {
            version: version.to_owned(),
            is_static: is_static(&path)?,
            path,
        })
    }

    pub(super) fn linkage(&self) -> &'static str {
        match self.is_static {
            true => "linked statically",
            false => "linked with the libraries of this machine",
        }
    }
}

/// Whether the program at `path` needs no library.
fn is_static(path: &Path) -> Result<bool, Failure> {
    let ldd = Tool::find("ldd").ok_or(Failure::new("ldd is not installed"))?;
    let outcome = ldd.run(|command| command.arg(path))?;
    let said = outcome.brief(1000);
    Ok(said.contains("statically linked") || said.contains("not a dynamic executable"))
}

/// Builds the program for release: with musl if Rust and the compiler of C have it, else
/// with a static glibc.
pub(super) fn build() -> Result<Built, Failure> {
    let musl = format!("{}-unknown-linux-musl", architecture());
    let has_compiler = Tool::find("musl-gcc").is_some();
    let (target, flags) = match is_installed(&musl)? && has_compiler {
        true => (musl, ""),
        false => {
            println!("{musl} or musl-gcc is not installed: linked with glibc in its place");
            let glibc = format!("{}-unknown-linux-gnu", architecture());
            (glibc, "-C target-feature=+crt-static")
        }
    };
    let built = workspace::cargo()
        .args(["build", "--release", "--package=qcow2-cli", "--bin=qcow2"])
        .args(["--target", &target])
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTFLAGS", flags)
        .stderr(Stdio::inherit())
        .output()?;
    let path = Message::parse_stream(&built.stdout[..]).find_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) => artifact.executable,
        _ => None,
    });
    match path {
        Some(path) if built.status.success() => {
            let built = Built::at(path.into())?;
            ensure(built.is_static, "the program is not linked statically")?;
            Ok(built)
        }
        _ => Err(Failure::new("the program does not build")),
    }
}

/// Whether the standard library for `target` is there.
fn is_installed(target: &str) -> Result<bool, Failure> {
    let rustc = Tool::find("rustc").ok_or(Failure::new("rustc is not installed"))?;
    let print = ["--print", "target-libdir", "--target", target];
    let folder = rustc.run(|command| command.args(print))?;
    Ok(folder.success() && Path::new(folder.stdout.trim()).is_dir())
}

/// The name of the machine's kind, as Rust has it.
pub(super) fn architecture() -> &'static str {
    std::env::consts::ARCH
}

/// Fails with `message` if `holds` is not true.
pub(super) fn ensure(holds: bool, message: impl Into<String>) -> Result<(), Failure> {
    match holds {
        true => Ok(()),
        false => Err(Failure::new(message)),
    }
}
