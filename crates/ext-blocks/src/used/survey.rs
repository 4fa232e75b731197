//! One look at every group: which of them can be trusted, and with what.
//!
//! First all descriptors, for the blocks that hold metadata; then the bitmaps,
//! each of which must call those blocks used, whichever group's they are.

use blockio::{NewSpool, ReadAt, len_u64};
use ext_format::bitmap::Bitmap;
use ext_format::error::{Error, Halt};
use ext_format::feature::Incompat;
use ext_format::finding::{Damage, Distrust, Finding, GroupMetadata};
use ext_format::geometry::to_index;
use ext_format::group::{Descriptor, GroupReader, Layout, Verdict, verdict_of};
use ext_format::runs::{
    BlockRun, Full, Overlaps, RunCollector, RunSet, WideCollector, join_touching, subtract,
};
use ext_format::superblock::{JournalPlace, Superblock};

use crate::journal::Overlay;
use crate::journal::inode_map::{self, Stop};
use crate::used::agreement::Denied;
use crate::used::bitmap_union::Joiner;
use crate::used::clusters::Recorder;
use crate::used::group_map::GroupMap;
use crate::used::occupancy;
use crate::used::uninit_tables::{self, Uninit};

/// Most separate runs of metadata that are kept: 10 MiB. 64 TiB of 4 KiB
/// blocks have 524,288 groups, and without `flex_bg` one run each.
const METADATA_RUNS_MAX: usize = 5 << 17;

/// Where metadata lies besides what the descriptors say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    /// `s_journal_inum`, where there is a journal inside the filesystem.
    pub(crate) journal_inode: Option<u32>,
    /// `s_mmp_block`, with multiple mount protection.
    pub(crate) mmp_block: Option<u64>,
}

impl Special {
    pub(crate) fn new(sb: &Superblock) -> Self {
        let mmp = sb.incompat.contains(Incompat::MMP);
        Self {
            journal_inode: match sb.journal_place() {
                JournalPlace::Inside(inode) => Some(inode),
                JournalPlace::Outside | JournalPlace::None => None,
            },
            mmp_block: mmp.then_some(sb.s_mmp_block),
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) groups: GroupMap,
    pub(crate) free_bytes: u64,
    pub(crate) damage: Damage,
    /// Groups whose never used inodes are not known for certain, ascending.
    pub(crate) unsure_of_inodes: Vec<u32>,
}

impl Survey {
    /// Takes in blocks that would be left out and are in use.
    pub(crate) fn take_denied(&mut self, denied: Denied) {
        let Denied {
            runs,
            bytes,
            damage,
        } = denied;
        self.damage.join(damage);
        self.free_bytes = self.free_bytes.saturating_sub(bytes);
        if runs.is_empty() {
            return;
        }
        let uninit = subtract(&self.groups.uninit, runs.iter().copied());
        self.groups.uninit = uninit;
        let joined = self.groups.joined.get_or_insert_default();
        joined.extend(runs);
        joined.sort_unstable();
        join_touching(joined, |_| {});
    }
}

/// What the bitmaps of a filesystem are worth, and where what they say is kept.
pub(crate) struct Rules<'s> {
    /// Keep the parts of inode tables that never held an inode as data.
    pub(crate) keep_uninit: bool,
    /// Bitmaps must agree with their checksums and counts, and with where metadata
    /// lies. Otherwise they are one witness of several.
    pub(crate) bitmaps_must_agree: bool,
    /// Blocks that are used besides, where the filesystem was not left clean.
    pub(crate) besides: Option<WideCollector>,
    /// Most bytes of memory for what is used of the groups.
    pub(crate) memory: usize,
    /// Where the rest of it goes.
    pub(crate) spool: Option<NewSpool<'s>>,
}

/// There are more runs of metadata than are kept.
fn too_many(Full: Full) -> Halt<Distrust> {
    let limit = len_u64(METADATA_RUNS_MAX);
    Halt::Refused(Distrust::TooMany {
        what: "separate runs of metadata",
        found: limit.saturating_add(1),
        limit,
    })
}

/// Surveys the filesystem on `disk`, as it is after recovery.
pub(crate) fn survey<R: ReadAt + ?Sized>(
    disk: &Overlay<R>,
    layout: &Layout,
    special: Special,
    rules: Rules<'_>,
) -> Result<Survey, Halt<Distrust>> {
    let mut surveyor = Surveyor {
        groups: GroupReader::new(disk, layout),
        layout,
        verdicts: Vec::new(),
        damage: Damage::default(),
        descriptors_agree: true,
    };
    let mut metadata = RunCollector::new(METADATA_RUNS_MAX);
    surveyor.read_descriptors(&mut metadata)?;
    surveyor.find_special(disk, special, &mut metadata)?;
    let metadata = metadata.finish().map_err(too_many)?;
    let joined = rules.besides.map(|mut besides| {
        for run in metadata.runs() {
            besides.insert(*run);
        }
        besides.finish()
    });
    let joiner = joined
        .as_deref()
        .map(|runs| Joiner::new(disk, layout, runs));
    let mut recorder = Recorder::new(rules.memory, rules.spool);
    let must_agree = rules.bitmaps_must_agree;
    let free_bytes = surveyor.check_bitmaps(&metadata, must_agree, joiner, &mut recorder)?;
    let overlaps = metadata.into_overlaps();
    // A repair of damaged descriptors may start from their copies, which do
    // not say which inodes were never used.
    let mut found = Uninit::default();
    // Otherwise nothing that a descriptor says of inodes counts, and all are looked at.
    if rules.bitmaps_must_agree && surveyor.descriptors_agree {
        found = uninit_tables::find(&mut surveyor.groups, &overlaps)?;
    }
    let mut uninit = Vec::new();
    // A repair of damaged descriptors may start from their copies, which do
    // not say which inodes were never used.
    if !rules.keep_uninit {
        uninit = found.runs;
        surveyor.damage.join(found.damage);
    }
    if let Some(log) = disk.log() {
        let blocks = log.all().iter().map(|copy| BlockRun::new(copy.block, 1));
        uninit = subtract(&uninit, blocks);
    }
    Ok(Survey {
        groups: GroupMap {
            verdicts: surveyor.verdicts,
            clusters: recorder.finish(),
            uninit,
            joined,
        },
        free_bytes,
        damage: surveyor.damage,
        unsure_of_inodes: found.unsure,
    })
}

struct Surveyor<'a, R: ?Sized> {
    groups: GroupReader<'a, R>,
    layout: &'a Layout,
    verdicts: Vec<Verdict>,
    damage: Damage,
    /// No descriptor has anything wrong.
    descriptors_agree: bool,
}

impl<R: ReadAt + ?Sized> Surveyor<'_, R> {
    /// Checks every descriptor by itself, and collects where metadata lies.
    fn read_descriptors(&mut self, metadata: &mut RunCollector) -> Result<(), Halt<Distrust>> {
        let geometry = &self.layout.geometry;
        for group in 0..geometry.group_count() {
            let descriptor = self.groups.descriptor(group)?;
            metadata
                .insert(geometry.base_metadata(group))
                .map_err(too_many)?;
            for run in descriptor.metadata(geometry) {
                if geometry.holds_all(run) {
                    metadata.insert(run).map_err(too_many)?;
                }
            }
            let verdict = match self.descriptor_damage(group, &descriptor) {
                Some(finding) => {
                    self.damage.push(finding);
                    self.descriptors_agree = false;
                    Verdict::AllUsed
                }
                None if descriptor.block_uninit() && self.layout.from_backup => {
                    self.damage.push(Finding::UninitFromBackup { group });
                    Verdict::AllUsed
                }
                None if descriptor.block_uninit() => Verdict::Computed,
                None => Verdict::Stored,
            };
            self.verdicts.push(verdict);
            let inodes_per_group = geometry.inodes_per_group();
            if descriptor.inodes_held(inodes_per_group).is_none() {
                self.damage.push(Finding::UnusedInodes {
                    group,
                    unused: descriptor.itable_unused,
                    inodes_per_group,
                });
                self.descriptors_agree = false;
            }
        }
        Ok(())
    }

    fn descriptor_damage(&self, group: u32, descriptor: &Descriptor) -> Option<Finding> {
        if let Some(computed) = descriptor.computed_checksum
            && !descriptor.verifies()
        {
            return Some(Finding::DescriptorChecksum {
                group,
                stored: descriptor.checksum,
                computed,
            });
        }
        let geometry = &self.layout.geometry;
        let kinds = [
            GroupMetadata::BlockBitmap,
            GroupMetadata::InodeBitmap,
            GroupMetadata::InodeTable,
        ];
        let outside = kinds
            .into_iter()
            .zip(descriptor.metadata(geometry))
            .find(|(_, run)| !geometry.holds_all(*run));
        outside.map(|(metadata, run)| Finding::Location {
            group,
            metadata,
            block: run.start,
        })
    }

    /// Collects the blocks of the journal and of multiple mount protection.
    fn find_special(
        &mut self,
        disk: &R,
        special: Special,
        metadata: &mut RunCollector,
    ) -> Result<(), Halt<Distrust>> {
        if let Some(inode) = special.journal_inode {
            match inode_map::collect(disk, &mut self.groups, inode, metadata) {
                Ok(()) => {}
                Err(Stop::Damage(damage)) => self.damage.push(Finding::Journal { inode, damage }),
                Err(Stop::Read(error)) => return Err(error.into()),
                Err(Stop::Full) => return Err(too_many(Full)),
            }
        }
        if let Some(block) = special.mmp_block {
            if self.layout.geometry.holds(block) {
                metadata.insert(BlockRun::new(block, 1)).map_err(too_many)?;
            } else {
                self.damage.push(Finding::MmpBlock { block });
            }
        }
        Ok(())
    }

    /// Checks every bitmap, tells `recorder` what is used, and returns how many bytes
    /// are proven free.
    fn check_bitmaps<D: ReadAt + ?Sized>(
        &mut self,
        metadata: &RunSet,
        must_agree: bool,
        mut joiner: Option<Joiner<'_, D>>,
        recorder: &mut Recorder<'_>,
    ) -> Result<u64, Halt<Distrust>> {
        let geometry = &self.layout.geometry;
        let mut bitmap = Bitmap::default();
        let mut ahead = metadata.runs();
        let mut free_bytes = 0u64;
        for group in 0..geometry.group_count() {
            let verdict = verdict_of(&self.verdicts, group);
            if verdict == Verdict::AllUsed {
                recorder.push(None);
                continue;
            }
            let start = geometry.blocks_of(group).start;
            let after = ahead.partition_point(|run| run.end <= start);
            ahead = ahead.get(after..).unwrap_or_default();
            self.groups.load(group, &self.verdicts, &mut bitmap)?;
            let free = u32::try_from(bitmap.free_count()).unwrap_or(u32::MAX);
            let mut damage = None;
            if must_agree && verdict == Verdict::Stored {
                damage = self.stored_bitmap_damage(group, metadata.overlaps())?;
            }
            if must_agree && damage.is_none() {
                damage = self.disagreement(group, &bitmap, free, ahead)?;
            }
            if let Some(finding) = damage {
                self.damage.push(finding);
                if let Some(verdict) = self.verdicts.get_mut(to_index(u64::from(group))) {
                    *verdict = Verdict::AllUsed;
                }
                recorder.push(None);
                continue;
            }
            if let Some(joiner) = &mut joiner {
                let descriptor = self.groups.descriptor(group)?;
                joiner.join(group, &descriptor, verdict, &mut bitmap)?;
            }
            recorder.push(Some(&bitmap));
            free_bytes = free_bytes.saturating_add(occupancy::free_bytes(geometry, group, &bitmap));
        }
        Ok(free_bytes)
    }

    /// Why the stored bitmap of `group` may not be one.
    fn stored_bitmap_damage(
        &mut self,
        group: u32,
        overlaps: &Overlaps,
    ) -> Result<Option<Finding>, Error> {
        let geometry = &self.layout.geometry;
        let descriptor = self.groups.descriptor(group)?;
        let block = descriptor.block_bitmap;
        if overlaps.meet(BlockRun::new(block, 1)) {
            return Ok(Some(Finding::SharedBitmap { group, block }));
        }
        let bytes = self.groups.block_bitmap(group, &self.verdicts)?;
        let covered = bytes.get(..geometry.block_bitmap_bytes());
        let computed = self.layout.checksums.bitmap(covered.unwrap_or_default());
        let computed = computed.map(|crc| crc & descriptor.bitmap_checksum_mask);
        let stored = descriptor.block_bitmap_checksum;
        let wrong = computed.filter(|computed| *computed != stored);
        Ok(wrong.map(|computed| Finding::BitmapChecksum {
            group,
            stored,
            computed,
        }))
    }

    /// What the `bitmap` of `group`, with `free` clusters, does not agree
    /// with; all metadata from there on is `ahead`.
    fn disagreement(
        &mut self,
        group: u32,
        bitmap: &Bitmap,
        free: u32,
        ahead: &[BlockRun],
    ) -> Result<Option<Finding>, Error> {
        let geometry = &self.layout.geometry;
        let end = geometry.blocks_of(group).end;
        let bit = ahead
            .iter()
            .take_while(|run| run.start < end)
            .find_map(|run| bitmap.first_free(geometry.bits_of(group, *run)));
        if let Some(bit) = bit {
            let block = geometry.block_of_bit(group, bit);
            return Ok(Some(Finding::MetadataFree { group, block }));
        }
        let stored = self.groups.descriptor(group)?.free_clusters;
        Ok((free != stored).then_some(Finding::FreeCount {
            group,
            stored,
            counted: free,
        }))
    }
}
