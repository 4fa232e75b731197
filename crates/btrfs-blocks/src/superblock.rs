//! The superblock. Linux, `struct btrfs_super_block`.

use crate::bytes::{array, byte, le32, le64, usize_of};
use crate::checksum::Checksum;
use crate::finding::Distrust;

/// Bytes of a superblock.
pub(crate) const SUPERBLOCK_BYTES: usize = 4096;

/// Where superblocks are, in bytes of the disk; the first one is what the kernel goes by.
pub(crate) const PLACES: [u64; 3] = [64 << 10, 64 << 20, 256 << 30];

/// Bytes from each place on that no chunk uses.
pub(crate) const PLACE_BYTES: u64 = 64 << 10;

const MAGIC: &[u8; 8] = b"_BHRfS_M";
const SYSTEM_CHUNKS_AT: usize = 0x32b;
const SYSTEM_CHUNKS_MAX: u32 = 2048;
const LEVELS: u8 = 8;

/// Bits of `incompat_flags` that change nothing here or are followed: all up to RAID1C34,
/// and simple quotas. Not zoned, extent tree v2, RAID stripe tree, remap tree.
const INCOMPAT: u64 = 0xfff | 1 << 16;
const MIXED_GROUPS: u64 = 1 << 2;
const METADATA_UUID: u64 = 1 << 10;

/// Bits of `compat_ro_flags`: free space tree, that it is valid, verity, block group tree.
const COMPAT_RO: u64 = 0xf;
const FREE_SPACE_TREE: u64 = 1 << 0;
const FREE_SPACE_TREE_VALID: u64 = 1 << 1;
const BLOCK_GROUP_TREE: u64 = 1 << 3;

/// Bits of `flags`.
const WRITTEN: u64 = 1 << 0;
const RELOCATED: u64 = 1 << 1;
const STATES: [(u64, &str); 4] = [
    (1 << 2, "the superblock says that the filesystem has errors"),
    (1 << 32, "it is the seed of another filesystem"),
    (3 << 33, "it is a dump of metadata"),
    (
        0x1f << 35 | 1 << 40,
        "a change of the whole filesystem was not finished",
    ),
];

/// Where a tree begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) at: u64,
    pub(crate) level: u8,
    pub(crate) generation: u64,
}

/// The device that a superblock is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    pub(crate) used: u64,
    pub(crate) uuid: [u8; 16],
    fsid: [u8; 16],
}

impl Device {
    /// Bytes of an item that describes a device.
    pub(crate) const BYTES: usize = 98;

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self {
            id: le64(bytes, 0),
            bytes: le64(bytes, 8),
            used: le64(bytes, 16),
            uuid: array(bytes, 66),
            fsid: array(bytes, 82),
        }
    }
}

/// A superblock, as it is stored; [`check`](Self::check) tells whether it can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) fsid: [u8; 16],
    metadata_uuid: [u8; 16],
    at: u64,
    flags: u64,
    pub(crate) generation: u64,
    root: u64,
    chunk_root: u64,
    log_root: u64,
    pub(crate) used: u64,
    pub(crate) devices: u64,
    pub(crate) sector: u32,
    pub(crate) node: u32,
    leaf: u32,
    chunk_generation: u64,
    compat_ro: u64,
    incompat: u64,
    checksum: Result<Checksum, u16>,
    levels: [u8; 3],
    pub(crate) device: Device,
    pub(crate) label: Vec<u8>,
    system_chunks_bytes: u32,
    system_chunks: Vec<u8>,
}

impl Superblock {
    /// The superblock in `bytes`, or `None` if there is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        (array(bytes, 0x40) == *MAGIC).then(|| Self {
            fsid: array(bytes, 0x20),
            at: le64(bytes, 0x30),
            flags: le64(bytes, 0x38),
            generation: le64(bytes, 0x48),
            root: le64(bytes, 0x50),
            chunk_root: le64(bytes, 0x58),
            log_root: le64(bytes, 0x60),
            used: le64(bytes, 0x78),
            devices: le64(bytes, 0x88),
            sector: le32(bytes, 0x90),
            node: le32(bytes, 0x94),
            leaf: le32(bytes, 0x98),
            system_chunks_bytes: le32(bytes, 0xa0),
            chunk_generation: le64(bytes, 0xa4),
            compat_ro: le64(bytes, 0xb4),
            incompat: le64(bytes, 0xbc),
            checksum: Checksum::of_superblock(bytes),
            levels: [0xc6, 0xc7, 0xc8].map(|at| byte(bytes, at)),
            device: Device::decode(bytes.get(0xc9..).unwrap_or(&[])),
            label: label(bytes.get(0x12b..0x22b).unwrap_or(&[])),
            metadata_uuid: array(bytes, 0x23b),
            system_chunks: (bytes.get(SYSTEM_CHUNKS_AT..).unwrap_or(&[]))
                .get(..usize_of(SYSTEM_CHUNKS_MAX.into()))
                .unwrap_or(&[])
                .into(),
        })
    }

    /// What is wrong with a superblock at byte `at`, of which `bytes` are all.
    pub(crate) fn check(&self, at: u64, bytes: &[u8]) -> Result<(), Distrust> {
        let checksum = (self.checksum).map_err(|kind| features("csum_type", kind.into(), 0))?;
        if !checksum.is_right(bytes) {
            return Err(Distrust::SuperblockChecksum);
        }
        if self.at != at {
            return Err(field("bytenr", self.at));
        }
        if let Some((_, why)) = (STATES.iter()).find(|(bits, _)| self.flags & bits != 0) {
            return Err(Distrust::Underway(why));
        }
        for (name, found, known) in [
            ("flags", self.flags, WRITTEN | RELOCATED),
            ("incompat_flags", self.incompat, INCOMPAT),
            ("compat_ro_flags", self.compat_ro, COMPAT_RO),
        ] {
            if found & !known != 0 {
                return Err(features(name, found, known));
            }
        }
        self.check_sizes()?;
        self.check_places()
    }

    fn check_sizes(&self) -> Result<(), Distrust> {
        let sizes = 4096..=65536;
        if !self.sector.is_power_of_two() || !sizes.contains(&self.sector) {
            return Err(field("sectorsize", self.sector.into()));
        }
        let is_node = self.node.is_power_of_two() && sizes.contains(&self.node);
        if !is_node || self.node < self.sector {
            return Err(field("nodesize", self.node.into()));
        }
        if self.leaf != self.node {
            return Err(field("leafsize", self.leaf.into()));
        }
        if self.system_chunks_bytes > SYSTEM_CHUNKS_MAX {
            let found = self.system_chunks_bytes.into();
            return Err(field("sys_chunk_array_size", found));
        }
        if self.devices == 0 {
            return Err(field("num_devices", 0));
        }
        if self.device.fsid != self.tree_fsid() {
            return Err(Distrust::Field {
                field: "dev_item.fsid",
                found: le64(&self.device.fsid, 0),
            });
        }
        // The target of a replacement that is under way.
        if self.device.id == 0 {
            return Err(Distrust::Underway("this device is to replace another one"));
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), Distrust> {
        let sector = u64::from(self.sector);
        for (name, at, is_needed) in [
            ("root", self.root, true),
            ("chunk_root", self.chunk_root, true),
            ("log_root", self.log_root, false),
        ] {
            if !at.is_multiple_of(sector) || (at == 0 && is_needed) {
                return Err(field(name, at));
            }
        }
        let names = ["root_level", "chunk_root_level", "log_root_level"];
        for (name, level) in names.into_iter().zip(self.levels) {
            if level >= LEVELS {
                return Err(field(name, level.into()));
            }
        }
        if self.chunk_generation > self.generation {
            return Err(field("chunk_root_generation", self.chunk_generation));
        }
        Ok(())
    }

    /// The identity that tree blocks have.
    pub(crate) const fn tree_fsid(&self) -> [u8; 16] {
        if self.incompat & METADATA_UUID != 0 {
            self.metadata_uuid
        } else {
            self.fsid
        }
    }

    pub(crate) fn checksum(&self) -> Checksum {
        self.checksum.unwrap_or(Checksum::Crc32c)
    }

    pub(crate) const fn root(&self) -> Root {
        let [level, ..] = self.levels;
        Root {
            at: self.root,
            level,
            generation: self.generation,
        }
    }

    pub(crate) const fn chunk_root(&self) -> Root {
        let [_, level, _] = self.levels;
        Root {
            at: self.chunk_root,
            level,
            generation: self.chunk_generation,
        }
    }

    /// The root of the trees that hold what was synced since the last commit. It is of
    /// the transaction that was running then, the next one.
    pub(crate) fn log_root(&self) -> Option<Root> {
        let [_, _, level] = self.levels;
        (self.log_root != 0).then_some(Root {
            at: self.log_root,
            level,
            generation: self.generation.saturating_add(1),
        })
    }

    /// Chunks that have to be known before the chunk tree can be read.
    pub(crate) fn system_chunks(&self) -> &[u8] {
        let length = usize_of(self.system_chunks_bytes.into());
        self.system_chunks.get(..length).unwrap_or(&[])
    }

    pub(crate) const fn has_mixed_groups(&self) -> bool {
        self.incompat & MIXED_GROUPS != 0
    }

    /// Whether there is a free space tree that can be held against the extent tree.
    pub(crate) const fn has_free_space_tree(&self) -> bool {
        let both = FREE_SPACE_TREE | FREE_SPACE_TREE_VALID;
        self.compat_ro & both == both
    }

    pub(crate) const fn has_block_group_tree(&self) -> bool {
        self.compat_ro & BLOCK_GROUP_TREE != 0
    }
}

const fn field(field: &'static str, found: u64) -> Distrust {
    Distrust::Field { field, found }
}

const fn features(field: &'static str, found: u64, known: u64) -> Distrust {
    Distrust::Features {
        field,
        found,
        unknown: found & !known,
    }
}

fn label(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .take_while(|byte| *byte != 0)
        .collect()
}
