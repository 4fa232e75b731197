//! What there is to do, and how it ends.

pub(crate) mod arguments;

use std::fmt;
use std::io;

/// Something `cargo xtask` can do.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    /// Its arguments, and what it does.
    pub(crate) help: [&'static str; 2],
}

/// All of them.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "demo",
        help: [
            "[--bin PROGRAM]",
            "pack and restore a filesystem made on the spot, check it, print the sizes",
        ],
    },
    Task {
        name: "test",
        help: [
            "[--install] [--install-only]",
            "format, lints, tidy, all tests, documentation; --install fetches the tools it lacks",
        ],
    },
    Task {
        name: "tidy",
        help: [
            "",
            "layers, sizes, documents: the rules a program can check",
        ],
    },
    Task {
        name: "bench",
        help: [
            "[--of ext4|machine|filesystems] [--size GIB] [--rounds N] [--dir DIR] [--disk DIR] \
             [--jobs TEXT] [--tree DIR]… [--bin PROGRAM] [--write]",
            "time, memory and sizes beside other programs, on an ext4, the disk of a virtual \
             machine, or file systems of several kinds; --disk once more on a real disk, --write \
             into docs/benchmarks.md",
        ],
    },
    Task {
        name: "boot",
        help: [
            "[--dir DIR] [--bin PROGRAM]",
            "install Debian on a disk, pack it from raw and from qcow2, and start it from both \
             images; needs root, debootstrap and qemu-system-x86_64",
        ],
    },
    Task {
        name: "dist",
        help: [
            "[--bin PROGRAM] [--dir DIR]",
            "build what users install: a static program, completions, manual pages, an archive, a \
             Debian package and checksums, in DIR (target/dist); --bin packs another program",
        ],
    },
    Task {
        name: "api",
        help: [
            "[--write]",
            "compare the public API of each library with docs/api, or --write it there; \
             needs cargo-public-api and a nightly toolchain",
        ],
    },
    Task {
        name: "newer-tools",
        help: [
            "DIR",
            "unpack newer xfsprogs, btrfs-progs, ntfs-3g, dosfstools and partclone in DIR, for \
             QCOW2_NEWER_TOOLS; on Debian",
        ],
    },
];

/// How a task ends.
pub(crate) type TaskResult = Result<(), Failure>;

/// Why a task failed, in words for the last line.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
