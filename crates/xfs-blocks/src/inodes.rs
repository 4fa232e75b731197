//! All inodes of a filesystem, and the blocks that they refer to.

mod core;
mod fork;

use blockio::ReadAt;

use crate::bytes::usize_of;
use crate::error::{Error, Halt, Structure, fill};
use crate::finding::{Distrust, Stop};
use crate::group::runs::Run;
use crate::group::{Chunk, Group};
use crate::superblock::Superblock;

use core::{Inode, Kind};
use fork::{Forks, Part};

/// Most chunks of inodes of a group: 64 MiB, for 256 million inodes.
const CHUNKS_MAX: usize = 4 << 20;
const CHUNK_INODES: u32 = 64;

/// Blocks that an inode refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) inode: u64,
    pub(crate) ag: u32,
    pub(crate) run: Run,
    /// Whether they hold anything but the contents of a regular file.
    pub(crate) is_metadata: bool,
}

/// Calls `visit` with all blocks that inodes on `disk` refer to. The first damage ends the
/// walk: what lies after it cannot be known.
pub(crate) fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    superblock: &Superblock,
    visit: &mut dyn FnMut(Reference) -> Result<(), Error>,
) -> Result<(), Stop> {
    let mut walker = Walker {
        disk,
        superblock,
        forks: Forks::new(disk, superblock.geometry),
        bytes: Vec::new(),
        visit,
    };
    for ag in 0..superblock.geometry.ag_count {
        let group = Group {
            disk,
            superblock,
            ag,
        };
        let chunks = group.chunks(CHUNKS_MAX).map_err(|halt| match halt {
            Halt::Distrust(damage) => Distrust::Inodes { group: ag, damage }.into(),
            Halt::Read(error) => Stop::Read(error),
        })?;
        for chunk in chunks {
            walker.chunk(ag, chunk)?;
        }
    }
    Ok(())
}

struct Walker<'w, R: ?Sized> {
    disk: &'w R,
    superblock: &'w Superblock,
    forks: Forks<'w, R>,
    bytes: Vec<u8>,
    visit: &'w mut dyn FnMut(Reference) -> Result<(), Error>,
}

impl<R: ReadAt + ?Sized> Walker<'_, R> {
    /// Reads the inodes of a chunk, in pieces if some do not exist.
    fn chunk(&mut self, ag: u32, chunk: Chunk) -> Result<(), Stop> {
        let pieces = if chunk.holes == 0 { 1 } else { 16 };
        let inodes = CHUNK_INODES.checked_div(pieces).unwrap_or(CHUNK_INODES);
        for piece in 0..pieces {
            if pieces > 1 && chunk.holes >> piece & 1 == 1 {
                continue;
            }
            let skip = piece.saturating_mul(inodes);
            self.piece(ag, chunk, skip, inodes)?;
        }
        Ok(())
    }

    /// Reads `inodes` inodes of a chunk, the first `skip` after its first.
    fn piece(&mut self, ag: u32, chunk: Chunk, skip: u32, inodes: u32) -> Result<(), Stop> {
        let geometry = self.superblock.geometry;
        let first = chunk.first.saturating_add(skip);
        let each = usize_of(geometry.inode_bytes());
        let log = geometry.inodes_per_block_log();
        let within = u64::from(first) & crate::geometry::low_bits(log);
        let at = geometry
            .byte_of(ag, first >> log)
            .saturating_add(within << geometry.inode_log);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(each.saturating_mul(usize_of(inodes.into())), 0);
        fill(self.disk, Structure::Inodes, at, &mut bytes)?;
        for (index, bytes) in (0..inodes).zip(bytes.chunks_exact(each)) {
            let place = skip.saturating_add(index);
            if chunk.free >> place & 1 == 1 {
                continue;
            }
            let within = first.saturating_add(index);
            let number = geometry.inode_number(ag, within);
            self.inode(number, bytes)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    fn inode(&mut self, number: u64, bytes: &[u8]) -> Result<(), Stop> {
        let geometry = &self.superblock.geometry;
        let stop = |fault| {
            Stop::Distrust(Distrust::Inode {
                inode: number,
                fault,
            })
        };
        let inode = Inode::new(bytes, geometry, number).map_err(stop)?;
        let holds_metadata = inode.kind != Kind::Regular
            || inode.is_metadata
            || self.superblock.metadata_inodes.contains(&number);
        for (fork, is_attributes) in [(inode.data, false), (inode.attributes, true)] {
            let visit = &mut *self.visit;
            // The contents of realtime files are in another section.
            self.forks.are_elsewhere = inode.is_realtime && !is_attributes;
            let walked = self.forks.walk(number, fork, &mut |part| {
                let (ag, run, is_node) = match part {
                    Part::Node { ag, block } => (ag, Run::new(block, 1), true),
                    Part::Blocks { ag, run } => (ag, run, false),
                };
                visit(Reference {
                    inode: number,
                    ag,
                    run,
                    is_metadata: is_node || is_attributes || holds_metadata,
                })
            });
            walked.map_err(|halt| match halt {
                Halt::Distrust(fault) => stop(fault),
                Halt::Read(error) => Stop::Read(error),
            })?;
        }
        Ok(())
    }
}
