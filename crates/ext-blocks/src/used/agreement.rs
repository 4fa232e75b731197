//! Whether the bitmaps of a filesystem agree with its inodes: a block that an inode
//! refers to is in use, whatever a bitmap says, and however right its checksum.
//!
//! The inode tables are cut into pieces, which all cores work on. Of what inodes
//! refer to nothing is collected but what would be left out.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::ReadAt;
use ext_format::block_map::Mapper;
use ext_format::block_map::nodes::{Clash, NodesRead};
use ext_format::error::Error;
use ext_format::finding::{Damage, Finding, WalkDamage};
use ext_format::geometry::to_index;
use ext_format::group::{GroupReader, Layout};
use ext_format::reserved::Reserved;
use ext_format::runs::{BlockRun, WideCollector};
use pipeline::ordered_map_with;

use crate::inodes::references::{Reference, Stop, Walker};
use crate::inodes::tables::{InodeTables, Scan, first_without_inodes};
use crate::journal::Overlay;
use crate::used::group_map::GroupMap;
use crate::used::occupancy::Occupancy;

/// Inodes in a piece, but for the last: 512 KiB of most tables.
const PIECE_INODES: u32 = 1 << 11;

/// Memory for bitmaps, of all threads.
const BITMAP_BYTES: u64 = 8 << 20;

/// Nodes of maps that are remembered, of a piece and of all: 1 MiB and 10 MiB,
/// half as much again while they grow.
const PIECE_NODES_MAX: usize = 7 << 13;
const NODES_MAX: usize = 7 << 17;

/// Most separate runs that are collected of what would be left out, of a piece and
/// of all: 1 MiB and 16 MiB. Over it, what lies between them is kept, too.
const PIECE_RUNS_MAX: usize = 1 << 15;
const RUNS_MAX: usize = 1 << 20;

/// How many times the blocks of a filesystem its inodes may refer to. With
/// `shared_blocks` it may be more than once; more than this is an attack.
const REFERENCES_MAX: u64 = 64;

/// What is asked for its inodes.
#[derive(Debug)]
pub(crate) struct Inodes<'a, R: ?Sized> {
    /// The disk, as it is after recovery.
    pub(crate) disk: &'a Overlay<R>,
    pub(crate) layout: &'a Layout,
    pub(crate) reserved: &'a Reserved,
    /// What is used without them.
    pub(crate) groups: &'a GroupMap,
    /// Groups whose inode tables are read whole, ascending.
    pub(crate) unsure: &'a [u32],
}

/// What inodes refer to and would be left out.
#[derive(Debug, Default)]
pub(crate) struct Denied {
    /// The blocks, and perhaps some that lie between: ascending, none touching the
    /// next.
    pub(crate) runs: Vec<BlockRun>,
    /// How many bytes of them were taken for free.
    pub(crate) bytes: u64,
    pub(crate) damage: Damage,
}

impl<R: ReadAt + ?Sized> Inodes<'_, R> {
    /// Asks all inodes that were ever used, on so many `threads`. The answer, or why it
    /// is not known what all of them refer to, does not depend on the threads.
    pub(crate) fn ask(&self, threads: NonZeroUsize) -> Result<Denied, Stop> {
        let (disk, layout) = (self.disk, self.layout);
        let mut groups = GroupReader::new(disk, layout);
        if let Some(group) = first_without_inodes(&mut groups)? {
            return Err(Stop::Refused(WalkDamage::Descriptor { group }));
        }
        let mut all = All::new(layout.geometry.block_count());
        // A small filesystem has too few pieces for many.
        let pieces = layout.geometry.inode_count().div_ceil(PIECE_INODES);
        let pieces = NonZeroUsize::new(to_index(u64::from(pieces)));
        let threads = threads.min(pieces.unwrap_or(NonZeroUsize::MIN));
        let count = blockio::len_u64(threads.get());
        let memory = BITMAP_BYTES.checked_div(count).unwrap_or_default();
        ordered_map_with(
            threads,
            Pieces::new(groups, self.unsure),
            || Worker {
                inodes: self,
                tables: InodeTables::new(disk, layout, GroupReader::new(disk, layout), Scan::Held),
                occupancy: Occupancy::new(disk, layout, self.groups, memory),
            },
            Worker::ask,
            |answer| all.take(answer),
        )?;
        let runs = all.runs.finish();
        let mut occupancy = Occupancy::new(disk, layout, self.groups, BITMAP_BYTES);
        Ok(Denied {
            bytes: occupancy.bytes_taken(&runs)?,
            runs,
            damage: all.damage,
        })
    }
}

/// A part of the inode table of a group.
#[derive(Clone, Debug)]
struct Part {
    group: u32,
    indices: Range<u32>,
    /// They were ever used.
    held: bool,
}

/// The inode tables of all groups, in pieces.
struct Pieces<'a, R: ?Sized> {
    groups: GroupReader<'a, R>,
    unsure: &'a [u32],
    /// The group that comes next.
    next: u32,
    /// What is left of the one before.
    rest: Vec<Part>,
}

impl<'a, R: ReadAt + ?Sized> Pieces<'a, R> {
    const fn new(groups: GroupReader<'a, R>, unsure: &'a [u32]) -> Self {
        Self {
            groups,
            unsure,
            next: 0,
            rest: Vec::new(),
        }
    }

    /// The parts of the table of the next group, the first one last.
    fn next_group(&mut self) -> Result<bool, Error> {
        let geometry = &self.groups.layout().geometry;
        let group = self.next;
        if group >= geometry.group_count() {
            return Ok(false);
        }
        self.next = group.saturating_add(1);
        let stored = geometry.inodes_per_group();
        let held = self.groups.descriptor(group)?.inodes_held(stored);
        let held = held.unwrap_or(stored);
        if self.unsure.binary_search(&group).is_ok() {
            self.rest.push(Part {
                group,
                indices: held..stored,
                held: false,
            });
        }
        self.rest.push(Part {
            group,
            indices: 0..held,
            held: true,
        });
        Ok(true)
    }
}

impl<R: ReadAt + ?Sized> Iterator for Pieces<'_, R> {
    type Item = Result<Vec<Part>, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        let mut room = PIECE_INODES;
        while room > 0 {
            let Some(part) = self.rest.last_mut() else {
                match self.next_group() {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(error) => return Some(Err(error.into())),
                }
            };
            let count = part.indices.end.saturating_sub(part.indices.start);
            let cut = part.indices.start.saturating_add(count.min(room));
            if count > 0 {
                piece.push(Part {
                    indices: part.indices.start..cut,
                    ..part.clone()
                });
            }
            part.indices.start = cut;
            if part.indices.is_empty() {
                self.rest.pop();
            }
            room = room.saturating_sub(count);
        }
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

/// What one thread asks with.
struct Worker<'w, 'a, R: ?Sized> {
    inodes: &'w Inodes<'a, R>,
    tables: InodeTables<'a, Overlay<R>>,
    occupancy: Occupancy<'a, R>,
}

/// What the inodes of a piece say.
struct Answer {
    nodes: NodesRead,
    /// How many blocks they refer to, a block as often as they do.
    blocks: u64,
    runs: Vec<BlockRun>,
    damage: Damage,
}

impl<R: ReadAt + ?Sized> Worker<'_, '_, R> {
    fn ask(&mut self, piece: Vec<Part>) -> Result<Answer, Stop> {
        let Inodes {
            disk,
            layout,
            reserved,
            ..
        } = *self.inodes;
        let occupancy = &mut self.occupancy;
        let mut denials = Denials::default();
        let mut blocks = References::new(layout.geometry.block_count());
        let mut visit = |Reference { inode, run, .. }| {
            blocks.add(run.count())?;
            occupancy.free_of(run, |free| denials.push(inode, free, Denial::Free))?;
            occupancy.never_used_of(run, |table| denials.push(inode, table, Denial::NeverUsed));
            Ok(())
        };
        let mapper = Mapper::with_memory_of(PIECE_NODES_MAX, disk, layout);
        let mut walker = Walker::new(layout, reserved, mapper, &mut visit);
        for part in piece {
            let Part {
                group,
                indices,
                held,
            } = part;
            self.tables
                .walk_group(group, indices, held, &mut |met| walker.met(&met))?;
        }
        let nodes = walker.into_nodes_read();
        let (runs, damage) = denials.finish();
        Ok(Answer {
            nodes,
            blocks: blocks.count,
            runs,
            damage,
        })
    }
}

/// Why a block would be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    /// A bitmap calls it free.
    Free,
    /// It is in an inode table that was never used.
    NeverUsed,
}

/// Blocks that are denied to inodes, in the order in which they are met.
struct Denials {
    runs: WideCollector,
    damage: Damage,
    /// The last ones; others may follow right after them.
    open: Option<(u32, Denial, BlockRun)>,
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            runs: WideCollector::new(PIECE_RUNS_MAX),
            damage: Damage::default(),
            open: None,
        }
    }
}

impl Denials {
    fn push(&mut self, inode: u32, run: BlockRun, denial: Denial) {
        match &mut self.open {
            Some((of, why, open)) if (*of, *why, open.end) == (inode, denial, run.start) => {
                open.end = run.end;
            }
            _ => {
                self.close();
                self.open = Some((inode, denial, run));
            }
        }
    }

    fn close(&mut self) {
        let Some((inode, denial, run)) = self.open.take() else {
            return;
        };
        self.runs.insert(run);
        let (block, count) = (run.start, run.count());
        self.damage.push(match denial {
            Denial::Free => Finding::InUse {
                inode,
                block,
                count,
            },
            Denial::NeverUsed => Finding::InTable {
                inode,
                block,
                count,
            },
        });
    }

    fn finish(mut self) -> (Vec<BlockRun>, Damage) {
        self.close();
        (self.runs.finish(), self.damage)
    }
}

/// How many blocks inodes refer to.
struct References {
    count: u64,
    /// Blocks of the filesystem.
    of: u64,
}

impl References {
    const fn new(of: u64) -> Self {
        Self { count: 0, of }
    }

    fn add(&mut self, count: u64) -> Result<(), Stop> {
        self.count = self.count.saturating_add(count);
        if self.count > self.of.saturating_mul(REFERENCES_MAX) {
            return Err(Stop::Refused(WalkDamage::TooMuch { blocks: self.of }));
        }
        Ok(())
    }
}

/// The answers of all pieces, in order.
struct All {
    nodes: NodesRead,
    blocks: References,
    runs: WideCollector,
    damage: Damage,
}

impl All {
    fn new(blocks: u64) -> Self {
        Self {
            nodes: NodesRead::new(NODES_MAX),
            blocks: References::new(blocks),
            runs: WideCollector::new(RUNS_MAX),
            damage: Damage::default(),
        }
    }

    fn take(&mut self, answer: Answer) -> Result<(), Stop> {
        let blocks = self.blocks.of;
        let clash = |clash| {
            Stop::Refused(match clash {
                Clash::Shared { block } => WalkDamage::SharedMap { block },
                Clash::TooMany => WalkDamage::TooMuch { blocks },
            })
        };
        self.nodes.join(&answer.nodes, blocks).map_err(clash)?;
        self.blocks.add(answer.blocks)?;
        for run in answer.runs {
            self.runs.insert(run);
        }
        self.damage.join(answer.damage);
        Ok(())
    }
}
