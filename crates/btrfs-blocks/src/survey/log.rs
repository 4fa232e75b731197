//! The log: trees of what was synced since the last commit. Neither the extent tree nor the
//! free space tree know its blocks, nor the contents that it refers to.

use std::ops::Range;

use blockio::ReadAt;

use super::file_extent::contents;
use super::item::{range, unsound};
use super::roots::named;
use super::visited::Visited;
use crate::filesystem::{Keep, Log};
use crate::finding::{Distrust, Step};
use crate::key::{item, tree};
use crate::superblock::Root;
use crate::tree::{Item, Pointer, Reader, Walk};

/// Most blocks and references that are followed: 16 MiB of them.
const RANGES_MAX: usize = 1 << 20;

/// Adds to `used` what the log needs.
pub(super) fn read<R: ReadAt + ?Sized>(
    reader: &Reader<'_, R>,
    root: Root,
    keep: Keep,
    used: &mut Vec<Range<u64>>,
) -> Step<Log> {
    let mut needs = Needs {
        reader,
        keep,
        log: Log::default(),
        visited: Visited::default(),
        used,
    };
    let mut subvolumes = Vec::new();
    needs.walk(Pointer::to_own(root, tree::LOG), &mut |item| {
        let key = item.key;
        if key.kind != item::ROOT {
            return Ok(());
        }
        if key.object != tree::LOG {
            return Err(unsound(tree::LOG, key, "it is not a log"));
        }
        if subvolumes.len() >= RANGES_MAX {
            return Err(too_many());
        }
        subvolumes.push(named(item)?.root);
        Ok(())
    })?;
    for root in subvolumes {
        needs.walk(Pointer::to_own(root, tree::LOG), &mut |_| Ok(()))?;
    }
    Ok(needs.log)
}

struct Needs<'n, 'd, R: ?Sized> {
    reader: &'n Reader<'d, R>,
    keep: Keep,
    log: Log,
    visited: Visited,
    used: &'n mut Vec<Range<u64>>,
}

impl<R: ReadAt + ?Sized> Needs<'_, '_, R> {
    /// Walks a tree, whose blocks are used, and all contents that it refers to.
    fn walk(
        &mut self,
        root: Pointer,
        see: &mut dyn FnMut(&Item<'_>) -> Result<(), Distrust>,
    ) -> Step<()> {
        let mut walk = Walk::new(self.reader, root);
        loop {
            let mut wants = |pointer: &Pointer| {
                if !self.visited.insert(pointer.at) {
                    return Ok(false);
                }
                self.log.blocks = self.log.blocks.saturating_add(1);
                // That it is in a chunk is found out when it is read.
                self.used
                    .extend(range(pointer.at, self.reader.node_bytes()));
                Ok(true)
            };
            let Some(leaf) = walk.next_wanted(&mut wants)? else {
                return Ok(());
            };
            for item in leaf.items() {
                see(&item)?;
                if let Some(range) = contents(tree::LOG, &item)? {
                    self.refer(&item, range)?;
                }
            }
            if self.used.len() > RANGES_MAX.saturating_mul(2) {
                return Err(too_many().into());
            }
        }
    }

    fn refer(&mut self, item: &Item<'_>, range: Range<u64>) -> Result<(), Distrust> {
        let chunk = self.reader.chunks.holding(&range);
        if chunk.is_none_or(|(_, chunk)| !chunk.has_data()) {
            return Err(unsound(tree::LOG, item.key, "its contents are in no chunk"));
        }
        self.log.references = self.log.references.saturating_add(1);
        if self.keep == Keep::Used {
            self.used.push(range);
        }
        Ok(())
    }
}

fn too_many() -> Distrust {
    Distrust::TooMany {
        what: "blocks and references in the log",
        limit: blockio::len_u64(RANGES_MAX),
    }
}
