//! The metadata of a filesystem: all that e2fsck, debugfs and dumpe2fs look
//! at, and little else. Of what is damaged, every part that can be found is kept.

use std::convert::Infallible;
use std::ops::Range;

use blockio::{BoxError, Extent, ExtentKind, Extents, Merge, ReadAt, Tiling, clip};
use ext_format::block_map::{Item, MapForm, Mapper};
use ext_format::error::Error;
use ext_format::finding::{Damage, Finding, InodeDamage};
use ext_format::geometry::Geometry;
use ext_format::group::{Descriptor, GroupReader, Layout};
use ext_format::inode::{BAD_BLOCKS_INODE, Inode};
use ext_format::reserved::Reserved;
use ext_format::runs::{BlockRun, WIDE_RUNS_MAX, WideCollector, subtract};
use ext_format::volume::Volume;

use crate::inodes::never_used::{Named, NeverUsed};
use crate::inodes::tables::{InodeTables, Met, Scan, first_unusable};
use crate::journal::{Overlay, recovered_volume};
use crate::used::discardable::Discarded;

/// The blocks of a filesystem that hold metadata.
#[derive(Debug)]
pub struct Metadata {
    geometry: Geometry,
    disk_bytes: u64,
    /// Ascending, none touching the next.
    runs: Vec<BlockRun>,
    damage: Damage,
}

impl Metadata {
    /// What every byte of the disk is: [`ExtentKind::Data`] where there is
    /// metadata, [`ExtentKind::Free`] elsewhere. They tile the disk.
    pub fn used_extents(&self) -> impl Iterator<Item = Extent> {
        let extents = Merge::new(self.extents_from(0).map(Ok::<_, Infallible>));
        extents.map(|Ok(extent)| extent)
    }

    /// The same from at or before byte `start` on, not as long as they can be.
    fn extents_from(&self, start: u64) -> impl Iterator<Item = Extent> {
        let before = |run: &BlockRun| self.geometry.byte_of(run.end) <= start;
        let before = self.runs.partition_point(before);
        let (before, runs) = self.runs.split_at_checked(before).unwrap_or_default();
        let mut at = before
            .last()
            .map_or(0, |run| self.geometry.byte_of(run.end));
        let runs = runs.iter().flat_map(move |run| {
            let start = self.geometry.byte_of(run.start);
            let end = self.geometry.byte_of(run.end);
            let gap = Extent::new(at..start, ExtentKind::Free);
            at = end;
            [gap, Extent::new(start..end, ExtentKind::Data)]
        });
        let end = self
            .runs
            .last()
            .map_or(0, |run| self.geometry.byte_of(run.end));
        let tail = Extent::new(end..self.disk_bytes, ExtentKind::Free);
        runs.chain([tail])
    }

    /// Leaves out what is `discarded`.
    pub fn leave_out(&mut self, discarded: &Discarded) {
        self.runs = subtract(&self.runs, discarded.runs.iter().copied());
    }

    /// The blocks: ascending runs, none touching the next.
    #[must_use]
    pub fn runs(&self) -> &[BlockRun] {
        &self.runs
    }

    /// Length of the disk in bytes.
    #[must_use]
    pub const fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// The bytes on the disk of `run`.
    #[must_use]
    pub const fn bytes_of(&self, run: BlockRun) -> Range<u64> {
        self.geometry.byte_of(run.start)..self.geometry.byte_of(run.end)
    }

    /// What is wrong with the metadata.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        &self.damage
    }
}

impl Tiling for Metadata {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let extents = self.extents_from(range.start).map(Ok::<_, BoxError>);
        clip(extents, range)
    }
}

/// The metadata of a filesystem with the superblock of `volume`. Of one whose
/// journal is to be replayed, that is what is stored, and what the replay
/// gives; only the latter is damaged.
pub(crate) fn find<R: ReadAt + ?Sized>(
    overlay: &Overlay<R>,
    volume: &Volume,
) -> Result<Metadata, Error> {
    let mut selected = WideCollector::new(WIDE_RUNS_MAX);
    let mut damage = Damage::default();
    select(overlay.disk(), volume, &mut selected, &mut damage)?;
    if overlay.log().is_some()
        && let Some(volume) = recovered_volume(overlay, volume.layout.from_backup)?
    {
        damage = Damage::default();
        select(overlay, &volume, &mut selected, &mut damage)?;
    }
    Ok(Metadata {
        geometry: volume.layout.geometry.clone(),
        disk_bytes: overlay.size(),
        runs: selected.finish(),
        damage,
    })
}

/// Adds to `selected` the metadata of the filesystem on `disk`.
fn select<R: ReadAt + ?Sized>(
    disk: &R,
    volume: &Volume,
    selected: &mut WideCollector,
    damage: &mut Damage,
) -> Result<(), Error> {
    let Volume {
        layout, reserved, ..
    } = volume;
    let unusable = first_unusable(&mut GroupReader::new(disk, layout))?;
    if unusable.is_none() && !layout.from_backup {
        return Selector::new(disk, layout, reserved, selected, damage)?.run(Scan::Held);
    }
    if let Some(group) = unusable {
        damage.push(Finding::Descriptor { group });
    }
    Selector::new(disk, layout, reserved, selected, damage)?.run(Scan::Whole)?;
    // e2fsck may take the copies, and finds what is wrong there by itself.
    if let Some(geometry) = layout.geometry.with_backup_descriptors() {
        let layout = Layout {
            geometry,
            ..*layout
        };
        let damage = &mut Damage::default();
        Selector::new(disk, &layout, reserved, selected, damage)?.run(Scan::Whole)?;
    }
    Ok(())
}

/// Collects the metadata of one state of a filesystem.
struct Selector<'s, 'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    reserved: &'s Reserved,
    /// For inodes all of whose contents are selected.
    whole: Mapper<'a, R>,
    /// For those with only the block map selected.
    nodes: Mapper<'a, R>,
    never_used: NeverUsed<'a, R>,
    selected: &'s mut WideCollector,
    damage: &'s mut Damage,
}

impl<'s, 'a, R: ReadAt + ?Sized> Selector<'s, 'a, R> {
    fn new(
        disk: &'a R,
        layout: &'a Layout,
        reserved: &'s Reserved,
        selected: &'s mut WideCollector,
        damage: &'s mut Damage,
    ) -> Result<Self, Error> {
        Ok(Self {
            disk,
            layout,
            reserved,
            whole: Mapper::new(disk, layout),
            nodes: Mapper::new(disk, layout),
            never_used: NeverUsed::new(disk, layout)?,
            selected,
            damage,
        })
    }

    fn run(&mut self, scan: Scan) -> Result<(), Error> {
        self.fixed();
        let mut groups = GroupReader::new(self.disk, self.layout);
        for group in 0..self.layout.geometry.group_count() {
            let descriptor = groups.descriptor(group)?;
            self.group(&descriptor, scan);
        }
        for inode in self.reserved.named_inodes() {
            self.never_used.name(inode);
        }
        if let Some(i_block) = self.reserved.journal_map {
            // e2fsck takes this map where the journal's inode is damaged.
            let copy = Inode::with_map(self.reserved.journal, i_block, &self.layout.geometry);
            self.map(&copy, MapForm::looks(&copy), true, &mut None)?;
            // The inode has the same map, which is not to be taken for one
            // that repeats.
            self.whole = Mapper::new(self.disk, self.layout);
        }
        let mut tables = InodeTables::new(self.disk, self.layout, groups, scan);
        tables.walk(&mut |met| self.met(&met))?;
        // e2fsck looks at what was never used where something names it.
        let stored = self.layout.geometry.inodes_per_group();
        while let Some(Named { group, inode, held }) = self.never_used.take() {
            self.damage.push(Finding::UnusedInodeNamed { group, inode });
            self.group(&tables.descriptor(group)?, Scan::Whole);
            tables.walk_group(group, held..stored, false, &mut |met| self.met(&met))?;
        }
        Ok(())
    }

    /// What lies where the superblock alone says.
    fn fixed(&mut self) {
        let geometry = &self.layout.geometry;
        // The boot block, which holds the superblock where blocks are larger.
        self.selected.insert(BlockRun::new(0, 1));
        for group in 0..geometry.group_count() {
            self.selected.insert(geometry.base_metadata(group));
        }
        match self.reserved.mmp_block {
            Some(block) if geometry.holds(block) => self.block(block),
            Some(block) => self.damage.push(Finding::MmpBlock { block }),
            None => {}
        }
    }

    /// Bitmaps, and the inode table.
    fn group(&mut self, descriptor: &Descriptor, scan: Scan) {
        let geometry = &self.layout.geometry;
        let whole = scan == Scan::Whole;
        let inodes = geometry.inodes_per_group();
        let held = match scan {
            Scan::Held => descriptor.inodes_held(inodes).unwrap_or(inodes),
            Scan::Whole => inodes,
        };
        let block = |wanted, block| BlockRun::new(block, u64::from(wanted));
        let runs = [
            block(whole || !descriptor.block_uninit(), descriptor.block_bitmap),
            block(whole || !descriptor.inode_uninit(), descriptor.inode_bitmap),
            BlockRun::new(descriptor.inode_table, geometry.inode_blocks(held)),
        ];
        for run in runs {
            if geometry.holds_all(run) {
                self.selected.insert(run);
            }
        }
    }

    fn met(&mut self, met: &Met<'_>) -> Result<(), Error> {
        let Met {
            inode,
            damage,
            held,
        } = *met;
        let mut first = damage;
        self.attributes(inode, &mut first);
        self.contents(inode, &mut first)?;
        // What was never used may be anything.
        if let Some(damage) = first.filter(|_| held) {
            let inode = inode.number;
            self.damage.push(Finding::Inode { inode, damage });
        }
        Ok(())
    }

    /// The block of extended attributes, and that of a translator.
    fn attributes(&mut self, inode: &Inode, damage: &mut Option<InodeDamage>) {
        let geometry = &self.layout.geometry;
        let block = inode.i_file_acl;
        if geometry.holds(block) {
            self.block(block);
        } else if block != 0 {
            damage.get_or_insert(InodeDamage::AttributeBlock { block });
        }
        let translator = u64::from(inode.translator);
        if self.reserved.translators && geometry.holds(translator) {
            self.block(translator);
        }
    }

    /// The map, and the contents where they are metadata. Where the inode may
    /// be read in two ways, both count, and only the proper one is damaged.
    fn contents(&mut self, inode: &Inode, damage: &mut Option<InodeDamage>) -> Result<(), Error> {
        let (form, looks) = (MapForm::of(inode), MapForm::looks(inode));
        let whole = self.reserved.holds_metadata(inode);
        let has_map = inode.has_map() || inode.number == BAD_BLOCKS_INODE;
        if has_map {
            self.map(inode, form, whole, damage)?;
        }
        let guess = if has_map {
            form != looks
        } else {
            looks == MapForm::Extents
        };
        if guess {
            self.map(inode, looks, whole || !inode.is_regular(), &mut None)?;
        }
        if !has_map && let Some(block) = inode.maybe_directory(&self.layout.geometry) {
            self.block(block);
        }
        Ok(())
    }

    fn map(
        &mut self,
        inode: &Inode,
        form: MapForm,
        whole: bool,
        first: &mut Option<InodeDamage>,
    ) -> Result<(), Error> {
        let selected = &mut *self.selected;
        let never_used = &mut self.never_used;
        let mapper = if whole {
            &mut self.whole
        } else {
            &mut self.nodes
        };
        mapper.walk(inode, form, &mut |item| {
            match item {
                Item::Node { block } => selected.insert(BlockRun::new(block, 1)),
                Item::Blocks { run, .. } if whole => {
                    selected.insert(run);
                    if inode.is_directory() {
                        never_used.name_all_in(run)?;
                    }
                }
                Item::Blocks { .. } => {}
                Item::Damage(damage) => _ = first.get_or_insert(damage),
            }
            Ok(())
        })
    }

    fn block(&mut self, block: u64) {
        self.selected.insert(BlockRun::new(block, 1));
    }
}
