//! Multiple mount protection: a block that says whether any machine
//! uses the filesystem.

use std::fmt;

use blockio::ReadAt;
use ext_format::checksum::Checksums;
use ext_format::error::{Error, Structure, read};
use ext_format::feature::Incompat;
use ext_format::geometry::Geometry;
use ext_format::superblock::check::check_superblock;
use ext_format::superblock::{
    SUPERBLOCK_BYTES, SUPERBLOCK_END, SUPERBLOCK_OFFSET, Superblock, array_at, u32_at,
};

/// Bytes of the block that have a meaning.
const MMP_BYTES: usize = 1024;

/// `mmp_magic`.
const MAGIC: u32 = 0x004d_4d50;

/// `mmp_seq` of a filesystem that is not in use.
const SEQ_CLEAN: u32 = 0xff4d_4d50;

/// `mmp_seq` while e2fsck runs.
const SEQ_FSCK: u32 = 0xe24d_4d50;

/// What the multiple mount protection block says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mmp {
    /// The filesystem is not in use.
    Clean,
    /// A machine has it mounted, or had it mounted when it stopped.
    Mounted(Holder),
    /// A machine checks it, or did when it stopped.
    Checked(Holder),
    /// A value that cannot be trusted.
    Damaged(MmpDamage),
}

/// Who last wrote the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `mmp_seq`, which he changes every few seconds while he is there.
    pub sequence: u32,
    /// `mmp_nodename` up to its first zero byte: the name of his machine; any
    /// bytes.
    pub node: Vec<u8>,
}

/// What is wrong with the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MmpDamage {
    /// It is not where it can be.
    #[error("the multiple mount protection block is block {block}, outside the filesystem")]
    Place {
        /// `s_mmp_block`.
        block: u64,
    },
    /// `mmp_magic` (bytes 0..4).
    #[error(
        "the multiple mount protection block, block {block}, begins with {found:#010x}, must begin with {MAGIC:#010x}"
    )]
    Magic {
        /// `s_mmp_block`.
        block: u64,
        /// As found.
        found: u32,
    },
    /// `mmp_checksum` (bytes 0x3fc..0x400).
    #[error(
        "the checksum of the multiple mount protection block, block {block}, is {stored:#010x}, its contents give {computed:#010x}"
    )]
    Checksum {
        /// `s_mmp_block`.
        block: u64,
        /// As found.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
}

impl Mmp {
    /// Whether the filesystem may be in use.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::Mounted(_) | Self::Checked(_))
    }

    fn decode(bytes: &[u8; MMP_BYTES], block: u64, checksums: Checksums) -> Self {
        let found = u32_at(bytes, 0x00);
        if found != MAGIC {
            return Self::Damaged(MmpDamage::Magic { block, found });
        }
        let stored = u32_at(bytes, 0x3fc);
        if let Some(computed) = checksums.mmp(bytes.split_at(0x3fc).0)
            && computed != stored
        {
            return Self::Damaged(MmpDamage::Checksum {
                block,
                stored,
                computed,
            });
        }
        let node = array_at::<64>(bytes, 0x10);
        let name = node.split(|byte| *byte == 0).next();
        let holder = Holder {
            sequence: u32_at(bytes, 0x04),
            node: name.unwrap_or_default().to_vec(),
        };
        match holder.sequence {
            SEQ_CLEAN => Self::Clean,
            SEQ_FSCK => Self::Checked(holder),
            _ => Self::Mounted(holder),
        }
    }
}

impl fmt::Display for Mmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("multiple mount protection says that it is not in use"),
            Self::Mounted(holder) => write!(
                f,
                "multiple mount protection says that {holder} has it mounted, or had it mounted when it stopped"
            ),
            Self::Checked(holder) => write!(
                f,
                "multiple mount protection says that {holder} checks it, or did when it stopped"
            ),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.node.is_empty() {
            return f.write_str("a machine without a name");
        }
        write!(f, "\"{}\"", self.node.escape_ascii())
    }
}

/// Reads what the multiple mount protection block of the filesystem on `disk`
/// says. `None` where there is no filesystem whose superblock can be believed, or
/// it has no such block.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn read_mmp<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Mmp>, Error> {
    if disk.size() < SUPERBLOCK_END {
        return Ok(None);
    }
    let mut bytes = [0; SUPERBLOCK_BYTES];
    read(disk, Structure::Superblock, SUPERBLOCK_OFFSET, &mut bytes)?;
    let Some(sb) = Superblock::decode(&bytes) else {
        return Ok(None);
    };
    let geometry = check_superblock(&sb, &bytes).and_then(|()| Geometry::new(&sb, disk.size()));
    let (Ok(geometry), true) = (geometry, sb.incompat.contains(Incompat::MMP)) else {
        return Ok(None);
    };
    let block = sb.s_mmp_block;
    if !geometry.holds(block) {
        return Ok(Some(Mmp::Damaged(MmpDamage::Place { block })));
    }
    let mut bytes = [0; MMP_BYTES];
    read(disk, Structure::Mmp, geometry.byte_of(block), &mut bytes)?;
    Ok(Some(Mmp::decode(&bytes, block, Checksums::new(&sb))))
}
