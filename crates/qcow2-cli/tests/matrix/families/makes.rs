//! The makes of each family.

use fixtures::Family;

/// A filesystem to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub(super) family: Family,
    pub(super) name: &'static str,
    pub(super) size_mib: u64,
    /// Options of mkfs.
    pub(super) mkfs: &'static str,
    /// Options of mount.
    pub(super) mount: &'static str,
    /// Only newer programs make it.
    pub(super) newer_only: bool,
    /// Whether it runs without `QCOW2_TESTS=full`.
    pub(super) quick: bool,
}

const fn make(family: Family, name: &'static str, size_mib: u64, mkfs: &'static str) -> Make {
    Make {
        family,
        name,
        size_mib,
        mkfs,
        mount: "",
        newer_only: false,
        quick: false,
    }
}

const fn xfs(name: &'static str, mkfs: &'static str) -> Make {
    make(Family::Xfs, name, 96, mkfs)
}

const fn btrfs(name: &'static str, mkfs: &'static str) -> Make {
    make(Family::Btrfs, name, 144, mkfs)
}

const fn ntfs(name: &'static str, mkfs: &'static str) -> Make {
    make(Family::Ntfs, name, 64, mkfs)
}

impl Make {
    const fn quick(self) -> Self {
        Self {
            quick: true,
            ..self
        }
    }

    const fn newer_only(self) -> Self {
        Self {
            newer_only: true,
            ..self
        }
    }

    const fn mounted(self, mount: &'static str) -> Self {
        Self { mount, ..self }
    }

    const fn of_mib(self, size_mib: u64) -> Self {
        Self { size_mib, ..self }
    }

    /// Whether it is the make that all others of its family are variants of.
    pub(super) fn is_first(&self) -> bool {
        self.name == "as it comes"
    }
}

pub(super) const MAKES: [Make; 62] = [
    xfs("as it comes", "").quick(),
    xfs("blocks of 1024", "-b size=1024").quick(),
    xfs("blocks of 2048", "-b size=2048"),
    xfs("blocks of 64K", "-b size=65536").of_mib(320),
    xfs("sectors of 4096", "-s size=4096").quick(),
    xfs("rmapbt", "-m rmapbt=1"),
    xfs("no rmapbt, no reflink", "-m rmapbt=0,reflink=0").quick(),
    xfs("no finobt", "-m finobt=0,inobtcount=0,reflink=0,rmapbt=0"),
    xfs("one group", "-d agcount=1").quick(),
    xfs("21 groups", "-d agcount=21").of_mib(340),
    xfs("inodes of 2048", "-i size=2048"),
    xfs("no sparse inodes", "-i sparse=0"),
    xfs("directory blocks of 64K", "-n size=65536"),
    xfs("no bigtime", "-m bigtime=0,inobtcount=0"),
    xfs("stripes", "-d su=64k,sw=2").quick(),
    xfs("large extent counts", "-i nrext64=1"),
    // No kernel here mounts version 4: it stays empty.
    xfs("version 4", "-m crc=0").quick(),
    xfs("version 4, blocks of 512", "-m crc=0 -b size=512"),
    xfs("version 4, no lazy count", "-m crc=0 -l lazy-count=0"),
    xfs("parent pointers", "-i exchange=1 -n parent=1")
        .newer_only()
        .quick(),
    xfs("metadata directory", "-m metadir=1").newer_only(),
    xfs("large", "").of_mib(900),
    btrfs("as it comes", "").quick(),
    btrfs("mixed", "-M -n 4096").of_mib(64).quick(),
    btrfs("single metadata", "-m single").quick(),
    btrfs("nodes of 4096", "-n 4096"),
    btrfs("nodes of 64K", "-n 65536").of_mib(320),
    btrfs("xxhash", "--csum xxhash").quick(),
    btrfs("sha256", "--csum sha256"),
    btrfs("blake2", "--csum blake2"),
    btrfs("no free space tree", "-R ^free-space-tree").mounted("nospace_cache"),
    btrfs("space cache v1", "-R ^free-space-tree").mounted("space_cache=v1"),
    btrfs("quota", "-R quota"),
    btrfs("holes", "-O ^no-holes"),
    btrfs("compressed by zstd", "")
        .mounted("compress=zstd")
        .quick(),
    btrfs("compressed by lzo", "").mounted("compress-force=lzo"),
    btrfs("no checksums", "").mounted("nodatasum,nodatacow"),
    btrfs("inline up to 4096", "").mounted("max_inline=4096"),
    btrfs("double data", "-d dup -m dup").of_mib(300),
    btrfs("block group tree", "-O block-group-tree")
        .newer_only()
        .quick(),
    btrfs("no block group tree", "-O ^block-group-tree").newer_only(),
    btrfs("simple quota", "-O squota").newer_only(),
    btrfs("large", "").of_mib(900),
    ntfs("as it comes", "").quick(),
    ntfs("clusters of 512", "-c 512").quick(),
    ntfs("clusters of 2K", "-c 2048"),
    ntfs("clusters of 64K", "-c 65536").quick(),
    ntfs("sectors of 4096", "-s 4096"),
    ntfs("compressed", "-C").mounted("compression"),
    ntfs("a large zone for the MFT", "-z 4"),
    ntfs("small", "").of_mib(34),
    ntfs("an odd length", "").of_mib(37),
    ntfs("large", "").of_mib(600),
    make(Family::Fat, "as it comes", 64, "").quick(),
    make(Family::Fat, "12", 8, "-F 12").quick(),
    make(Family::Fat, "16", 40, "-F 16 -s 4"),
    make(Family::Fat, "32", 96, "-F 32 -s 2").quick(),
    make(Family::Fat, "one table", 64, "-f 1"),
    make(Family::Fat, "clusters of 32K", 256, "-F 16 -s 64"),
    make(Family::Exfat, "as it comes", 64, "").quick(),
    make(Family::Exfat, "clusters of 512", 24, "-c 512"),
    make(Family::Exfat, "clusters of 128K", 128, "-c 128K"),
];
