//! The filesystems that crash, and how.

use fixtures::Family;

/// A filesystem, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// `None` is ext.
    pub(super) family: Option<Family>,
    /// Options of mke2fs, or of the family's mkfs.
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
    /// Copied while it was mounted, and some of its files synced.
    Crash,
    /// Copied while it was mounted, after all of it was synced.
    Synced,
    /// The same, and frozen.
    Frozen,
    /// The same, after the kernel found an error in it and went on.
    Error,
    /// Unmounted, with an error found before.
    UnmountedError,
}

const fn crash(name: &'static str, make: &'static str, quick: bool) -> Kind {
    Kind {
        name,
        family: None,
        make,
        mount: "",
        end: End::Crash,
        quick,
    }
}

const fn of(family: Family, name: &'static str, make: &'static str, quick: bool) -> Kind {
    Kind {
        family: Some(family),
        ..crash(name, make, quick)
    }
}

impl Kind {
    const fn mounted(self, mount: &'static str) -> Self {
        Self { mount, ..self }
    }

    const fn ends(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Length of the disk. A small btrfs has no room for two copies of its
    /// metadata.
    pub(super) fn disk_bytes(&self) -> u64 {
        match self.family {
            Some(Family::Btrfs) => 224 << 20,
            _ => 96 << 20,
        }
    }

    /// Whether what was synced is there once the kernel has mounted a full copy.
    /// ntfs-3g replays nothing.
    pub(super) fn has_journal(&self) -> bool {
        self.family != Some(Family::Ntfs)
            && !self.make.contains("ext2")
            && !self.make.contains("^has_journal")
    }

    /// The program that loses what was synced: it goes by what is at home on the
    /// disk, where only the log or the log tree knows of it.
    pub(super) fn loser(&self) -> Option<&'static str> {
        match (self.family, self.end) {
            (Some(Family::Xfs), End::Crash | End::Synced) => Some("partclone.xfs"),
            // Of mixed groups it keeps everything.
            (Some(Family::Btrfs), End::Crash) if !self.make.contains("-M") => {
                Some("partclone.btrfs")
            }
            _ => None,
        }
    }

    pub(super) fn has_fast_commits(&self) -> bool {
        self.make.contains("fast_commit")
    }
}

pub(super) const KINDS: [Kind; 52] = [
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
    of(Family::Xfs, "XFS", "", true),
    of(Family::Xfs, "XFS of 1024", "-b size=1024", true),
    of(Family::Xfs, "XFS with rmapbt", "-m rmapbt=1", true),
    of(
        Family::Xfs,
        "XFS without reflink",
        "-m reflink=0,rmapbt=0",
        false,
    ),
    of(Family::Xfs, "XFS, sectors of 4096", "-s size=4096", false),
    of(Family::Xfs, "XFS, one group", "-d agcount=1", false),
    of(Family::Xfs, "XFS, inodes of 2048", "-i size=2048", false),
    // Parts of the log are not of one sector, and logged blocks not of one piece.
    of(
        Family::Xfs,
        "XFS, stripes",
        "-d su=64k,sw=2 -l su=64k",
        false,
    ),
    of(
        Family::Xfs,
        "XFS, directory blocks of 64K",
        "-n size=65536",
        false,
    ),
    of(Family::Xfs, "XFS synced", "", true).ends(End::Synced),
    of(Family::Xfs, "XFS of 1024 synced", "-b size=1024", false).ends(End::Synced),
    of(Family::Xfs, "XFS frozen", "", true).ends(End::Frozen),
    of(Family::Xfs, "XFS with rmapbt frozen", "-m rmapbt=1", false).ends(End::Frozen),
    of(Family::Xfs, "XFS of 1024 frozen", "-b size=1024", false).ends(End::Frozen),
    of(Family::Btrfs, "btrfs", "", true),
    of(Family::Btrfs, "btrfs mixed", "-M -n 4096", false),
    of(Family::Btrfs, "btrfs single metadata", "-m single", true),
    of(
        Family::Btrfs,
        "btrfs without free space tree",
        "-R ^free-space-tree",
        false,
    ),
    of(Family::Btrfs, "btrfs compressed", "", false).mounted("compress=zstd"),
    of(Family::Btrfs, "btrfs synced", "", true).ends(End::Synced),
    of(Family::Btrfs, "btrfs frozen", "", true).ends(End::Frozen),
    of(Family::Ntfs, "NTFS", "", true),
];
