//! Blocks of inode tables that never held an inode: they may hold anything,
//! and read as zeros in an image.

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::Error;
use ext_format::finding::{Damage, Finding};
use ext_format::geometry::to_index;
use ext_format::group::{Descriptor, GroupReader};
use ext_format::runs::{BlockRun, Overlaps, RunCollector, RunSet};

/// Most runs that are kept: 10 MiB. Over it, all inode tables are kept whole.
const RUNS_MAX: usize = 5 << 17;

/// What the groups say of inodes that were never used.
#[derive(Debug, Default)]
pub(crate) struct Uninit {
    /// Their blocks: ascending, disjoint, and none where other metadata lies.
    pub(crate) runs: Vec<BlockRun>,
    /// Groups in which something contradicts it, ascending.
    pub(crate) unsure: Vec<u32>,
    /// What does.
    pub(crate) damage: Damage,
}

/// Finds it; metadata `overlaps` in some places.
pub(crate) fn find<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
    overlaps: &Overlaps,
) -> Result<Uninit, Error> {
    let layout = groups.layout();
    let geometry = &layout.geometry;
    let mut found = Uninit::default();
    if !layout.keeps_uninit_flags() {
        return Ok(found);
    }
    let mut bitmap = Bitmap::default();
    let mut runs = RunCollector::new(RUNS_MAX);
    let mut full = false;
    for group in 0..geometry.group_count() {
        let descriptor = groups.descriptor(group)?;
        let Some(held) = descriptor.inodes_held(geometry.inodes_per_group()) else {
            continue;
        };
        if held >= geometry.inodes_per_group() {
            continue;
        }
        let finding = inode_bitmap_damage(groups, group, &descriptor, held, &mut bitmap)?;
        let table = descriptor.inode_table;
        let unused = BlockRun {
            start: table.saturating_add(geometry.inode_blocks(held)),
            end: table.saturating_add(geometry.table_blocks()),
        };
        if let Some(finding) = finding {
            found.unsure.push(group);
            found.damage.push(finding);
        } else if !overlaps.meet(unused) {
            full |= runs.insert(unused).is_err();
        }
    }
    if !full {
        let runs = runs.finish().map(RunSet::into_runs);
        found.runs = runs.unwrap_or_default();
    }
    Ok(found)
}

/// What contradicts that only the first `held` inodes of `group` were ever
/// used.
fn inode_bitmap_damage<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
    group: u32,
    descriptor: &Descriptor,
    held: u32,
    bitmap: &mut Bitmap,
) -> Result<Option<Finding>, Error> {
    let layout = groups.layout();
    let inodes = to_index(u64::from(layout.geometry.inodes_per_group()));
    if descriptor.inode_uninit() {
        bitmap.clear(inodes);
    } else {
        let bytes = groups.inode_bitmap(group)?;
        let covered = bytes.get(..layout.geometry.inode_bitmap_bytes());
        let computed = layout.checksums.bitmap(covered.unwrap_or_default());
        let computed = computed.map(|crc| crc & descriptor.bitmap_checksum_mask);
        let stored = descriptor.inode_bitmap_checksum;
        if let Some(computed) = computed.filter(|computed| *computed != stored) {
            return Ok(Some(Finding::InodeBitmapChecksum {
                group,
                stored,
                computed,
            }));
        }
        bitmap.load(bytes, inodes);
    }
    let held = to_index(u64::from(held));
    if bitmap.run_from(held) != Some((held..inodes, false)) {
        return Ok(Some(Finding::UnusedInodeInUse {
            group,
            unused: descriptor.itable_unused,
        }));
    }
    let counted = u32::try_from(bitmap.free_count()).unwrap_or(u32::MAX);
    let stored = descriptor.free_inodes;
    Ok((counted != stored).then_some(Finding::FreeInodeCount {
        group,
        stored,
        counted,
    }))
}
