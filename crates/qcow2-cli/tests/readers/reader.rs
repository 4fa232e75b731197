//! A program or library that reads images.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::{Outcome, Tool};

use super::cell::Cell;

/// How long a reader may take for the disk.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) const QEMU: &str = "QEMU";
pub(super) const SEVEN_ZIP: &str = "7-Zip";

/// A program or library that reads images.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) name: &'static str,
    pub(super) version: String,
    how: How,
}

/// How an image is read.
#[derive(Debug)]
enum How {
    QemuImg(Tool),
    SevenZip(Tool),
    /// A program of ours around a library: IMAGE OUTPUT.
    Driver {
        tool: Tool,
        script: Option<PathBuf>,
    },
    /// The same, but it only says whether the image is safe.
    Inspector {
        tool: Tool,
        script: PathBuf,
    },
    /// Could not be installed.
    Missing,
}

impl Reader {
    /// qemu-img or 7z, whichever `program` says it is.
    pub(super) fn of_program(program: Tool) -> io::Result<Self> {
        let asked = program.run(|command| command.arg("--version"))?;
        // 7z has no such option, and tells its version where it has nothing to do.
        let alone = program.run(|command| command)?;
        let text = asked.stdout + &alone.stdout;
        let version = |text: &str| {
            let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
            text.split_whitespace().find(is_version).map(str::to_owned)
        };
        let (name, version, how) = match text.split_once("qemu-img version") {
            Some((_, after)) => (QEMU, version(after), How::QemuImg(program)),
            None => {
                let after = text.split_once("7-Zip").map(|(_, after)| after);
                (SEVEN_ZIP, after.and_then(version), How::SevenZip(program))
            }
        };
        let version =
            version.ok_or_else(|| io::Error::other(format!("no known reader says: {text}")))?;
        Ok(Self { name, version, how })
    }

    /// A library, which `tool` reads with, given the `script` if there is one.
    pub(super) fn of_library(
        name: &'static str,
        version: &str,
        tool: Tool,
        script: Option<PathBuf>,
    ) -> Self {
        let how = How::Driver { tool, script };
        let version = version.to_owned();
        Self { name, version, how }
    }

    /// An inspector, which `tool` runs as `script`.
    pub(super) fn of_inspector(
        name: &'static str,
        version: &str,
        tool: Tool,
        script: PathBuf,
    ) -> Self {
        let how = How::Inspector { tool, script };
        let version = version.to_owned();
        Self { name, version, how }
    }

    /// One that could not be installed.
    pub(super) fn missing(name: &'static str, version: &str) -> Self {
        Self {
            name,
            version: version.to_owned(),
            how: How::Missing,
        }
    }

    /// Reads the whole disk of `image` into `restored`, and compares it with `want`.
    pub(super) fn read(&self, image: &Path, restored: &Path, want: &[u8]) -> io::Result<Cell> {
        let folder = image.parent().unwrap_or(image);
        let Some(outcome) = self.run(image, restored)? else {
            return Ok(Cell::NotTried);
        };
        if outcome.code.is_none() {
            return Ok(Cell::Refused("it did not end by itself".into()));
        }
        if !outcome.success() {
            return Ok(Cell::refused(&outcome, folder));
        }
        match self.how {
            How::Inspector { .. } => Ok(Cell::Accepted),
            _ => Ok(Cell::of_bytes(&fs::read(restored)?, want)),
        }
    }

    fn run(&self, image: &Path, restored: &Path) -> io::Result<Option<Outcome>> {
        let outcome = match &self.how {
            How::QemuImg(tool) => tool.clone().with_patience(PATIENCE).run(|command| {
                let arguments = ["convert", "-f", "qcow2", "-O", "raw"];
                command.args(arguments).args([image, restored])
            })?,
            How::SevenZip(tool) => extract(tool, image, restored)?,
            How::Driver { tool, script } => tool
                .clone()
                .with_patience(PATIENCE)
                .run(|command| command.args(script).args([image, restored]))?,
            How::Inspector { tool, script } => {
                tool.run(|command| command.arg(script).arg(image))?
            }
            How::Missing => return Ok(None),
        };
        Ok(Some(outcome))
    }
}

/// Extracts the one file that 7-Zip finds in `image`.
fn extract(tool: &Tool, image: &Path, restored: &Path) -> io::Result<Outcome> {
    let folder = tempfile::tempdir_in(restored.parent().unwrap_or(restored))?;
    let mut out = std::ffi::OsString::from("-o");
    out.push(folder.path());
    let outcome = tool
        .clone()
        .with_patience(PATIENCE)
        .run(|command| command.args(["x", "-y", "-tqcow"]).arg(&out).arg(image))?;
    if let Some(file) = fs::read_dir(folder.path())?.next() {
        fs::rename(file?.path(), restored)?;
    }
    Ok(outcome)
}
