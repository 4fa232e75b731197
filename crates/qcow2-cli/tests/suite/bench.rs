//! Runs the program in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::{Outcome, Tool};
use tempfile::TempDir;

/// A folder, and the program run in it.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs `qcow2` with the words of `arguments`.
    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        Tool::at(env!("CARGO_BIN_EXE_qcow2").into())
            .run(|command| {
                command
                    .args(arguments.split_whitespace())
                    .current_dir(self.folder.path())
            })
            .unwrap()
    }

    /// Runs `qcow2`, which must end with 0, and gives what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &str) -> String {
        let outcome = self.run(arguments);
        assert!(outcome.success(), "{arguments}: {outcome:?}");
        outcome.stdout
    }

    /// Runs `qcow2`, which must end with `code` and say exactly `message`.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &str, code: i32, message: &str) {
        let outcome = self.run(arguments);
        assert_eq!(outcome.stderr, format!("qcow2: {message}\n"), "{arguments}");
        assert_eq!(outcome.code, Some(code), "{arguments}");
    }

    /// Runs a program of QEMU in the folder, and gives what it printed.
    #[track_caller]
    pub(crate) fn qemu(&self, program: &str, arguments: &[&str]) -> String {
        Tool::find(program)
            .unwrap()
            .ok(|command| command.args(arguments).current_dir(self.folder.path()))
            .unwrap()
    }

    /// Runs qemu-img with the words of `arguments`.
    #[track_caller]
    pub(crate) fn qemu_img(&self, arguments: &str) -> String {
        let words: Vec<_> = arguments.split_whitespace().collect();
        self.qemu("qemu-img", &words)
    }

    /// Runs a command of qemu-io on the image `name`.
    #[track_caller]
    pub(crate) fn qemu_io(&self, command: &str, name: &str) {
        self.qemu("qemu-io", &["-f", "qcow2", "-c", command, name]);
    }

    /// The program, to be started and watched.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qcow2"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}
