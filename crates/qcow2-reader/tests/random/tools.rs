//! The programs that make images and say what is in them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use fixtures::{Outcome, Tool};
use tempfile::TempDir;

use crate::options::LUKS;

/// The one passphrase of all encrypted layers.
pub(crate) const PASSPHRASE: &str = "pass word";

/// How QEMU is told of it.
pub(crate) const OBJECT: [&str; 2] = ["--object", "secret,id=s0,data=pass word"];

/// Longer than QEMU takes for anything here.
const PATIENCE: Duration = Duration::from_secs(100);

/// One of the programs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Img,
    Io,
}

pub(crate) struct Tools {
    img: Tool,
    io: Tool,
    /// Holds the images to be copied.
    folder: TempDir,
    luks: [OnceLock<PathBuf>; LUKS.len()],
}

impl Tools {
    pub(crate) fn require() -> Option<Self> {
        let (img, io) = (
            fixtures::require("qemu-img")?,
            fixtures::require("qemu-io")?,
        );
        Some(Self {
            img: img.with_patience(PATIENCE),
            io: io.with_patience(PATIENCE),
            folder: TempDir::new().unwrap(),
            luks: Default::default(),
        })
    }

    /// Runs a program in `folder`.
    pub(crate) fn run(&self, program: Program, folder: &Path, arguments: &[String]) -> Outcome {
        let tool = match program {
            Program::Img => &self.img,
            Program::Io => &self.io,
        };
        let outcome = tool.run(|command| command.args(arguments).current_dir(folder));
        outcome.unwrap()
    }

    /// Copies the image with LUKS header number `kind` to `path`.
    pub(crate) fn copy_luks(&self, kind: usize, path: &Path) {
        let made = self.luks[kind].get_or_init(|| {
            let name = format!("luks{kind}");
            let arguments = create_luks(kind, &name);
            let outcome = self.run(Program::Img, self.folder.path(), &arguments);
            assert!(outcome.success(), "{arguments:?}: {outcome:?}");
            self.folder.path().join(name)
        });
        fs::copy(made, path).unwrap();
    }
}

/// How the image with LUKS header number `kind` is made.
pub(crate) fn create_luks(kind: usize, name: &str) -> Vec<String> {
    let options = format!(
        "{},encrypt.format=luks,encrypt.key-secret=s0,encrypt.iter-time=10",
        LUKS[kind]
    );
    let all = [
        "create", "-q", OBJECT[0], OBJECT[1], "-f", "qcow2", "-o", &options, name, "512",
    ];
    all.map(String::from).to_vec()
}

/// A command as a shell takes it.
pub(crate) fn shell(program: &str, arguments: &[String]) -> String {
    let mut line = program.to_owned();
    for argument in arguments {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            write!(line, " {argument}").unwrap();
        } else {
            write!(line, " '{argument}'").unwrap();
        }
    }
    line
}
