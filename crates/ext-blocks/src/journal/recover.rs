//! A filesystem as it is once its journal has been replayed, to be read in place
//! of the disk.

use std::io;
use std::ops::Range;

use blockio::ReadAt;
use byteorder::{ByteOrder, LittleEndian};
use ext_format::checksum;
use ext_format::error::Error;
use ext_format::feature::{Incompat, RoCompat};
use ext_format::finding::Distrust;
use ext_format::group::{GroupReader, Layout};
use ext_format::superblock::{SUPERBLOCK_OFFSET, read_superblock};

use super::overlay::{Overlay, Patch};

/// The bytes of a disk after the journal of its filesystem was replayed, made by
/// [`Filesystem::recovered`](crate::Filesystem::recovered): what
/// `e2fsck -E journal_only` would leave. The disk itself is not written.
#[derive(Debug)]
pub struct Recovered<R> {
    overlay: Overlay<R>,
    /// What a replay changes besides.
    patches: Vec<Patch>,
}

/// Why a filesystem cannot be recovered in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotRecover {
    /// Its newest state is not known.
    #[error("{0}")]
    Distrusted(Distrust),
    /// A replay of fast commits changes directories and extent trees, and
    /// allocates blocks for them: that is left to the kernel and e2fsck.
    #[error("the journal ends in {count} fast commits, which only the kernel or e2fsck can replay")]
    FastCommits {
        /// How many.
        count: u32,
    },
}

impl<R> Recovered<R> {
    pub(crate) const fn new(overlay: Overlay<R>, patches: Vec<Patch>) -> Self {
        Self { overlay, patches }
    }
}

impl<R: ReadAt> ReadAt for Recovered<R> {
    fn size(&self) -> u64 {
        self.overlay.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.overlay.read_at(offset, buf)?;
        for change in &self.patches {
            change.apply(offset, buf);
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        // A superblock is data already: it is not zeros below.
        self.overlay.next_data(from)
    }
}

/// The superblock of a filesystem whose journal was replayed: nothing is left to
/// be recovered, and the free counts are those of the groups.
pub(crate) fn superblock<R: ReadAt + ?Sized>(
    overlay: &Overlay<R>,
    layout: &Layout,
) -> Result<Option<Patch>, Error> {
    let Some((sb, mut bytes)) = read_superblock(overlay)? else {
        return Ok(None);
    };
    let geometry = &layout.geometry;
    let mut groups = GroupReader::new(overlay, layout);
    let (mut blocks, mut inodes) = (0u64, 0u32);
    for group in 0..geometry.group_count() {
        let descriptor = groups.descriptor(group)?;
        let free = geometry.blocks_in_clusters(descriptor.free_clusters);
        blocks = blocks.saturating_add(free);
        inodes = inodes.saturating_add(descriptor.free_inodes);
    }
    let mut put = |at: Range<usize>, value: u32| {
        if let Some(field) = bytes.get_mut(at) {
            LittleEndian::write_u32(field, value);
        }
    };
    let [low, high] = [blocks & u64::from(u32::MAX), blocks >> 32]
        .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    put(0x0c..0x10, low);
    put(0x10..0x14, inodes);
    let incompat = sb.incompat.difference(Incompat::RECOVER);
    put(0x60..0x64, incompat.bits());
    if sb.incompat.contains(Incompat::IS_64BIT) {
        put(0x158..0x15c, high);
    }
    if sb.ro_compat.contains(RoCompat::METADATA_CSUM) {
        let checksum = checksum::superblock(&bytes);
        if let Some(field) = bytes.get_mut(0x3fc..) {
            LittleEndian::write_u32(field, checksum);
        }
    }
    Ok(Some(Patch {
        offset: SUPERBLOCK_OFFSET,
        bytes: bytes.to_vec(),
    }))
}
