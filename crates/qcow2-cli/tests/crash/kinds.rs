//! The filesystems that crash, and how.

/// Length of every disk.
pub(super) const DISK_BYTES: u64 = 96 << 20;

/// A filesystem, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Options of mke2fs.
    pub(super) make: &'static str,
    /// Options of mount.
    pub(super) mount: &'static str,
    pub(super) end: End,
    /// Whether it runs without `QCOW2_TESTS=full`.
    pub(super) quick: bool,
}

/// How the kernel leaves a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Copied while it was mounted.
    Crash,
    /// The same, after the kernel found an error in it and went on.
    Error,
    /// Unmounted, with an error found before.
    UnmountedError,
}

const fn crash(name: &'static str, make: &'static str, quick: bool) -> Kind {
    Kind {
        name,
        make,
        mount: "",
        end: End::Crash,
        quick,
    }
}

impl Kind {
    const fn mounted(self, mount: &'static str) -> Self {
        Self { mount, ..self }
    }

    const fn ends(self, end: End) -> Self {
        Self { end, ..self }
    }

    pub(super) fn has_journal(&self) -> bool {
        !self.make.contains("ext2") && !self.make.contains("^has_journal")
    }

    pub(super) fn has_fast_commits(&self) -> bool {
        self.make.contains("fast_commit")
    }
}

pub(super) const KINDS: [Kind; 30] = [
    crash("ext4 of 4096", "-t ext4 -b 4096", true),
    crash("ext4 of 1024", "-t ext4 -b 1024", true),
    crash("ext4 of 2048", "-t ext4 -b 2048", false),
    // A log that wraps around many times.
    crash("ext4, small log", "-t ext4 -b 1024 -J size=1", true),
    crash("ext3", "-t ext3", true),
    crash("ext3 of 1024", "-t ext3 -b 1024 -J size=1", false),
    crash(
        "ext4 64bit without checksums",
        "-t ext4 -O 64bit,^metadata_csum,^uninit_bg",
        true,
    ),
    crash(
        "ext4 32-bit uninit_bg",
        "-t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg",
        false,
    ),
    crash("ext4 csum_seed", "-t ext4 -O metadata_csum_seed", false),
    crash("bigalloc", "-t ext4 -O bigalloc -C 16384", true),
    crash("fast_commit", "-t ext4 -O fast_commit", true),
    crash(
        "fast_commit of 1024",
        "-t ext4 -b 1024 -O fast_commit",
        false,
    ),
    crash("ext4 data=journal", "-t ext4 -b 1024", true).mounted("data=journal"),
    crash("ext4 of 4096 data=journal", "-t ext4", false).mounted("data=journal"),
    crash("ext3 data=journal", "-t ext3 -b 1024", false).mounted("data=journal"),
    crash("ext4 data=writeback", "-t ext4", false).mounted("data=writeback"),
    crash("journal_async_commit", "-t ext4", false).mounted("data=writeback,journal_async_commit"),
    crash("nodelalloc", "-t ext4 -b 1024", false).mounted("nodelalloc"),
    crash("meta_bg", "-t ext4 -b 1024 -O meta_bg,^resize_inode", true),
    crash(
        "meta_bg of 4096",
        "-t ext4 -O meta_bg,^resize_inode -g 1024",
        false,
    ),
    crash("inline_data", "-t ext4 -O inline_data -I 256", true),
    crash("ea_inode", "-t ext4 -b 1024 -O ea_inode", false),
    crash("orphan_file", "-t ext4 -O orphan_file", true),
    crash("ext2", "-t ext2", true),
    crash("ext2 of 1024", "-t ext2 -b 1024", false),
    crash("ext4 without journal", "-t ext4 -O ^has_journal", true),
    crash("ext4 of 1024 with errors", "-t ext4 -b 1024", true).ends(End::Error),
    crash("ext2 with errors", "-t ext2", true).ends(End::Error),
    crash("ext4 unmounted with errors", "-t ext4", true).ends(End::UnmountedError),
    crash("ext2 unmounted with errors", "-t ext2", false).ends(End::UnmountedError),
];
