//! Reads the trees that tell what is free, and holds them against each other.

mod block_groups;
mod chunk_tree;
mod device_tree;
mod extents;
mod file_extent;
mod free_space;
mod item;
mod log;
mod references;
mod roots;
mod visited;

use blockio::ReadAt;

use crate::filesystem::{Keep, Log, Options, Proof};
use crate::finding::{Distrust, Finding, Step};
use crate::key::tree;
use crate::layout::{Layout, stretches};
use crate::superblock::Superblock;
use crate::tree::Reader;
use extents::Found;
use free_space::FreeSpace;
use item::no_tree;

/// What was found.
pub(crate) struct Survey {
    pub(crate) layout: Layout,
    pub(crate) findings: Vec<Finding>,
    pub(crate) log: Option<Log>,
    /// Whether all trees were walked.
    pub(crate) has_references: bool,
}

/// Reads what is used of the filesystem with this sound `superblock`.
pub(crate) fn survey<R: ReadAt + ?Sized>(
    disk: &R,
    superblock: &Superblock,
    options: &Options,
) -> Step<Survey> {
    let disk_bytes = disk.size();
    let device = superblock.device;
    if device.bytes > disk_bytes {
        return Err(Distrust::Cut {
            bytes: device.bytes,
            disk_bytes,
        }
        .into());
    }
    let (reader, stored) = chunk_tree::read(disk, superblock)?;
    let stretches = stretches(&reader.chunks);
    let roots = roots::read(&reader, superblock.root())?;
    let on_device = device_tree::check(&reader, roots.devices, device, &stretches)?;
    sum("dev_item.bytes_used", device.used, on_device)?;
    sum("bytes_used of the device", stored.used, on_device)?;
    sum("total_bytes of the device", stored.bytes, device.bytes)?;

    let mut found = extents_of(&reader, superblock, &roots, options.keep)?;
    let mut more = roots.cache;
    let log = match superblock.log_root() {
        Some(root) => Some(log::read(&reader, root, options.keep, &mut more)?),
        None => None,
    };
    let has_references = options.proof == Proof::References;
    if has_references {
        references::check(&reader, superblock.root(), &found.used, options.keep)?;
    }
    found.used.add(more);
    let (findings, chunks) = reader.into_parts();
    Ok(Survey {
        layout: Layout {
            chunks,
            stretches,
            used: found.used,
            end: device.bytes,
            disk_bytes,
        },
        findings,
        log,
        has_references,
    })
}

/// What the extent tree calls used, which the block groups, the superblock and the free
/// space tree agree with.
fn extents_of<R: ReadAt + ?Sized>(
    reader: &Reader<'_, R>,
    superblock: &Superblock,
    roots: &roots::Roots,
    keep: Keep,
) -> Step<Found> {
    let mut free_space = match roots.free_space {
        Some(root) if superblock.has_free_space_tree() => {
            Some(FreeSpace::new(reader, root, superblock.sector))
        }
        None if superblock.has_free_space_tree() => return Err(no_tree(tree::FREE_SPACE).into()),
        _ => None,
    };
    let sector = u64::from(superblock.sector);
    let mut found = extents::read(reader, roots.extents, sector, keep, free_space.as_mut())?;
    if superblock.has_block_group_tree() {
        let root = roots.block_groups.ok_or(no_tree(tree::BLOCK_GROUP))?;
        if !found.groups.is_empty() {
            return Err(no_tree(tree::BLOCK_GROUP).into());
        }
        found.groups = block_groups::read(reader, root)?;
    }
    let used = block_groups::check(&reader.chunks, &found.groups, &found.sums)?;
    sum("bytes_used of the superblock", superblock.used, used)?;
    Ok(found)
}

fn sum(sum: &'static str, stored: u64, computed: u64) -> Result<(), Distrust> {
    if stored == computed {
        return Ok(());
    }
    Err(Distrust::Sum {
        sum,
        stored,
        computed,
    })
}
