//! The files to install, in a folder as they lie under `/usr`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fixtures::Tool;
use tempfile::TempDir;

use super::build::{Built, architecture, ensure};
use crate::program::required;
use crate::task::{Failure, TaskResult};
use crate::workspace;

/// The script of each shell, and where it goes.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/qcow2"),
    ("zsh", "share/zsh/site-functions/_qcow2"),
    ("fish", "share/fish/vendor_completions.d/qcow2.fish"),
];

/// Where the manual pages go.
const MANUAL: &str = "share/man/man1";

/// Where documents go.
const DOCUMENTS: &str = "share/doc/qcow2";

/// The files to install.
pub(super) struct Stage {
    folder: TempDir,
    /// The name of the folder in it, and of the archive.
    name: String,
}

impl Stage {
    /// Lays out what `built` installs.
    pub(super) fn new(built: &Built) -> Result<Self, Failure> {
        let stage = Self {
            folder: tempfile::tempdir()?,
            name: format!("qcow2-{}-{}-linux", built.version, architecture()),
        };
        let program = Tool::at(built.path.clone());
        fs::create_dir(stage.root())?;
        stage.put("bin/qcow2", &fs::read(&built.path)?, 0o755)?;
        for (shell, place) in COMPLETIONS {
            let script = program.ok(|command| command.args(["completions", shell]))?;
            ensure(
                script.contains("unpack"),
                format!("{shell}: no command completed"),
            )?;
            stage.put(place, script.as_bytes(), 0o644)?;
        }
        stage.manual(&program)?;
        for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let path = workspace::root().join(name);
            if path.is_file() {
                stage.put(&format!("{DOCUMENTS}/{name}"), &fs::read(path)?, 0o644)?;
            }
        }
        Ok(stage)
    }

    /// The folder that stands for `/usr`.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    fn put(&self, place: &str, bytes: &[u8], mode: u32) -> TaskResult {
        let path = self.root().join(place);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, bytes)?;
        Ok(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(mode),
        )?)
    }

    /// Writes the manual pages, compressed as packages have them.
    fn manual(&self, program: &Tool) -> TaskResult {
        let folder = self.root().join(MANUAL);
        fs::create_dir_all(&folder)?;
        program.ok(|command| command.arg("man").arg(&folder))?;
        let mut pages = Vec::new();
        for entry in fs::read_dir(&folder)? {
            pages.push(entry?.path());
        }
        ensure(
            pages.contains(&folder.join("qcow2-pack.1")),
            "no page of pack",
        )?;
        pages.sort();
        let compress = ["--best", "--no-name"];
        required("gzip")?.ok(|command| command.args(compress).args(&pages))?;
        Ok(())
    }

    /// Packs it into an archive in `folder`, and returns the name.
    pub(super) fn archive(&self, folder: &Path) -> Result<String, Failure> {
        let name = format!("{}.tar.gz", self.name);
        // The same bytes for the same files.
        let same = [
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mtime=@0",
            "--gzip",
        ];
        required("tar")?.ok(|command| {
            command
                .args(same)
                .arg("--create")
                .arg("--file")
                .arg(folder.join(&name))
                .arg("--directory")
                .arg(self.folder.path())
                .arg(&self.name)
        })?;
        Ok(name)
    }
}
