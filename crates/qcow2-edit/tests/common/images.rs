//! Images that qemu-img makes, to be changed.

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::{Tool, require};
use tempfile::TempDir;

/// qemu-img and qemu-io, with a folder to work in.
pub(crate) struct Workshop {
    pub(crate) img: Tool,
    pub(crate) io: Tool,
    folder: TempDir,
}

impl Workshop {
    /// `None` after saying what is missing.
    pub(crate) fn open() -> Option<Self> {
        Some(Self {
            img: require("qemu-img")?,
            io: require("qemu-io")?,
            folder: TempDir::new().unwrap(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs qemu-img with `arguments` on an image.
    #[track_caller]
    pub(crate) fn img(&self, arguments: &str, image: &Path, more: &str) {
        let done = self.img.ok(|command| {
            command
                .args(arguments.split_whitespace())
                .arg(image)
                .args(more.split_whitespace())
        });
        done.unwrap_or_else(|error| panic!("qemu-img {arguments} {more}: {error}"));
    }

    /// Runs commands of qemu-io on an image.
    #[track_caller]
    pub(crate) fn io(&self, image: &Path, commands: &[&str]) {
        let said = self.io.ok(|command| {
            command.args(["-f", "qcow2"]);
            for each in commands {
                command.args(["-c", each]);
            }
            command.arg(image)
        });
        let said = said.unwrap_or_else(|error| panic!("qemu-io {commands:?}: {error}"));
        assert!(!said.contains("failed"), "{commands:?}: {said}");
    }

    /// An image with these options, of 1 MiB, with data, and snapshots where they can be.
    pub(crate) fn image(&self, options: &str) -> Vec<u8> {
        let image = self.path("made.qcow2");
        self.img(&format!("create -q -f qcow2 -o {options}"), &image, "1000K");
        let v2 = options.contains("0.10");
        self.io(
            &image,
            &[
                "write -P 1 0 70k",
                "write -P 2 300k 130k",
                "write -c -P 3 512k 64k",
                if v2 {
                    "write -P 0 192k 8k"
                } else {
                    "write -z 192k 66k"
                },
                "write -P 4 990k 10k",
            ],
        );
        self.img("snapshot -c one", &image, "");
        self.io(&image, &["write -P 5 64k 10k", "write -P 6 700k 100k"]);
        self.img("snapshot -c two", &image, "");
        self.io(&image, &["discard 300k 64k", "write -P 7 520k 1k"]);
        fs::read(&image).unwrap()
    }

    /// The same image with two bitmaps, which have bits set.
    pub(crate) fn with_bitmaps(&self, image: &[u8]) -> Vec<u8> {
        let path = self.path("bitmaps.qcow2");
        fs::write(&path, image).unwrap();
        self.img("bitmap --add -g 512", &path, "fine");
        self.io(&path, &["write -P 8 10k 1k", "write -P 9 999k 1k"]);
        self.img("bitmap --add -g 64k --disable", &path, "coarse");
        self.img("bitmap --add", &path, "gone");
        self.io(&path, &["write -P 10 100k 1k"]);
        self.img("bitmap --remove", &path, "gone");
        fs::read(&path).unwrap()
    }

    /// What qemu-img check says: the exit code, and the lines about errors that are not
    /// about flags that say that a cluster is used once.
    pub(crate) fn check(&self, image: &[u8]) -> (Option<i32>, Vec<String>) {
        let path = self.path("checked.qcow2");
        fs::write(&path, image).unwrap();
        let said = self
            .img
            .run(|command| command.args(["check", "-f", "qcow2"]).arg(&path));
        let said = said.unwrap();
        let text = format!("{}{}", said.stdout, said.stderr);
        let lines = text
            .lines()
            .filter(|line| line.contains("ERROR") && !line.contains("OFLAG_COPIED"))
            .map(str::to_owned);
        (said.code, lines.collect())
    }
}
