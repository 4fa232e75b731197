//! What is in the blocks of an inode.

use blockio::{ReadAt, len_u64};
use ext_format::block_map::{Item, MapForm, Mapper};
use ext_format::checksum;
use ext_format::error::{Error, Structure};
use ext_format::geometry::to_index;
use ext_format::inode::Inode;
use ext_format::superblock::{u16_at, u32_at};

use crate::attributes::ValueHashes;
use crate::directory::entries::put_u32;
use crate::directory::{Outcome, Scrambler, Unindexed};
use crate::inode::{Fields, VALUE_HASH_AT};
use crate::link;
use crate::map::{EXTENT_BYTES, clean_extents, clean_pointers};
use crate::pass::{Pass, VALUES_MAX};
use crate::text::clear_text;

/// Largest directory that is held in memory to be sorted, in bytes: 1,000,000
/// names of 24 bytes. Twice as much again is needed while it is.
const SORTED_BYTES_MAX: usize = 32 << 20;

/// Largest value of an extended attribute that Linux takes, in bytes
/// (`XATTR_SIZE_MAX`). What is longer is zeroed.
const VALUE_BYTES_MAX: u64 = 1 << 16;

/// Most blocks of a map for such a value: one for each of its blocks.
const VALUE_NODES_MAX: u32 = 1 << 6;

/// Bytes of text that a node of an extent tree with a wrong checksum may not
/// hold; entries have zeros between them.
const NODE_TEXT_MIN: usize = 8;

/// The blocks of a directory, as long as they follow each other and are not
/// too many.
struct Gathered {
    blocks: Vec<u64>,
    bytes: Vec<u8>,
    /// Cleared with the first block that has to be scrambled by itself.
    is_whole: bool,
    outcome: Outcome,
}

impl<R: ReadAt + ?Sized> Pass<'_, R> {
    /// Walks over the map of `inode`: cleans its nodes, and gives `visit` each
    /// block of the contents that no other inode has. Returns whether all is well.
    pub(super) fn walk(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        inode: &Inode,
        mut visit: impl FnMut(&mut Self, u64, u64) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut is_sound = true;
        let form = MapForm::of(inode);
        mapper.walk(inode, form, &mut |item| match item {
            Item::Node { block } => self.node(inode, form, block),
            Item::Blocks { logical, run, .. } => {
                for (block, logical) in (run.start..run.end).zip(logical..) {
                    if self.budget == 0 || self.is_fixed(block) {
                        self.dispute();
                        is_sound = false;
                    } else {
                        self.budget = self.budget.saturating_sub(1);
                        visit(self, logical, block)?;
                    }
                }
                Ok(())
            }
            Item::Damage(_) => {
                is_sound = false;
                Ok(())
            }
        })?;
        if !is_sound {
            self.report.damaged_maps = self.report.damaged_maps.saturating_add(1);
        }
        Ok(is_sound)
    }

    /// Cleans the nodes of the map of a file whose contents are not shown.
    pub(super) fn map(&mut self, mapper: &mut Mapper<'_, R>, inode: &Inode) -> Result<(), Error> {
        let form = MapForm::of(inode);
        mapper.walk(inode, form, &mut |item| match item {
            Item::Node { block } => self.node(inode, form, block),
            Item::Blocks { .. } | Item::Damage(_) => Ok(()),
        })
    }

    /// Cleans a node of the map of `inode`.
    fn node(&mut self, inode: &Inode, form: MapForm, block: u64) -> Result<(), Error> {
        if !self.may_change(block) {
            return Ok(());
        }
        let mut bytes = self.zeroes();
        self.read(Structure::MappingBlock, block, &mut bytes)?;
        match form {
            MapForm::Extents => {
                let before = self.extent_checksum(inode, &bytes);
                let wrong = before.map(|(at, was)| was ^ u32_at(&bytes, at));
                clean_extents(&mut bytes);
                if wrong.is_some_and(|wrong| wrong != 0) {
                    clear_text(&mut bytes, NODE_TEXT_MIN);
                }
                let after = self.extent_checksum(inode, &bytes);
                if let (Some(wrong), Some((at, right))) = (wrong, after) {
                    put_u32(&mut bytes, at, right ^ wrong);
                }
            }
            MapForm::Pointers => {
                let geometry = &self.layout.geometry;
                clean_pointers(&mut bytes, |block| block < geometry.block_count());
            }
        }
        self.patches.store(block, &bytes)
    }

    /// Where the checksum of a node of an extent tree is, and what it should
    /// be.
    fn extent_checksum(&self, inode: &Inode, node: &[u8]) -> Option<(usize, u32)> {
        let entries = usize::from(u16_at(node, 4)).saturating_add(1);
        let end = entries.saturating_mul(EXTENT_BYTES);
        let covered = node
            .get(..end)
            .filter(|_| end.saturating_add(4) <= node.len())?;
        let checksums = &self.layout.checksums;
        let checksum = checksums.extent_block(inode.number, inode.i_generation, covered)?;
        Some((end, checksum))
    }

    /// Scrambles a directory in blocks.
    pub(super) fn directory(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        inode: &Inode,
        scrambler: &Scrambler<'_>,
    ) -> Result<Outcome, Error> {
        let mut gathered = Gathered {
            blocks: Vec::new(),
            bytes: Vec::new(),
            is_whole: true,
            outcome: Outcome::default(),
        };
        let block_bytes = self.style.block_bytes;
        let is_sound = self.walk(mapper, inode, |pass, logical, block| {
            let mut bytes = pass.zeroes();
            pass.read(Structure::Directory, block, &mut bytes)?;
            let follows = logical == len_u64(gathered.blocks.len());
            let fits = gathered.bytes.len().saturating_add(block_bytes) <= SORTED_BYTES_MAX;
            if gathered.is_whole && follows && fits {
                gathered.blocks.push(block);
                gathered.bytes.append(&mut bytes);
                return Ok(());
            }
            pass.spill(&mut gathered, scrambler)?;
            pass.directory_block(block, &mut bytes, scrambler, &mut gathered.outcome)
        })?;
        if !is_sound {
            self.spill(&mut gathered, scrambler)?;
        }
        let mut outcome = gathered.outcome;
        if gathered.is_whole {
            outcome = scrambler.blocks(&mut gathered.bytes);
            for (block, bytes) in gathered
                .blocks
                .iter()
                .zip(gathered.bytes.chunks(block_bytes))
            {
                self.patches.store(*block, bytes)?;
            }
        } else if scrambler.directory.is_indexed {
            outcome.unindexed = Some(if is_sound {
                Unindexed::Size
            } else {
                Unindexed::Damaged
            });
        }
        Ok(outcome)
    }

    /// Scrambles the blocks gathered so far one by one: no more are gathered.
    fn spill(&mut self, gathered: &mut Gathered, scrambler: &Scrambler<'_>) -> Result<(), Error> {
        gathered.is_whole = false;
        let blocks = std::mem::take(&mut gathered.blocks);
        let mut bytes = std::mem::take(&mut gathered.bytes);
        for (block, bytes) in blocks
            .into_iter()
            .zip(bytes.chunks_mut(self.style.block_bytes))
        {
            self.directory_block(block, bytes, scrambler, &mut gathered.outcome)?;
        }
        Ok(())
    }

    fn directory_block(
        &mut self,
        block: u64,
        bytes: &mut [u8],
        scrambler: &Scrambler<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        outcome.add(scrambler.block(bytes));
        self.patches.store(block, bytes)
    }

    /// Scrambles the target of a link in its first block, and zeros the others.
    pub(super) fn link(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        inode: &Inode,
        fields: &Fields,
    ) -> Result<(), Error> {
        self.walk(mapper, inode, |pass, logical, block| {
            let mut bytes = pass.zeroes();
            if logical == 0 {
                pass.read(Structure::Contents, block, &mut bytes)?;
                let target_bytes = to_index(fields.size);
                link::scramble(pass.names, &mut bytes, target_bytes, fields.is_encrypted());
            }
            pass.patches.store(block, &bytes)
        })?;
        self.report.links = self.report.links.saturating_add(1);
        Ok(())
    }

    /// Replaces the value of an attribute in the blocks of `inode`, and returns
    /// the hash it has then. One that is too long or has holes is zeroed.
    pub(super) fn value(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        inode: &Inode,
        size_bytes: u64,
    ) -> Result<Option<u32>, Error> {
        let new = self
            .read_value(inode, size_bytes)?
            .map(|old| self.replaced(&old));
        if new.is_none() {
            self.report.cleared = self.report.cleared.saturating_add(1);
        }
        let value = new.as_deref().unwrap_or_default();
        self.walk(mapper, inode, |pass, logical, block| {
            let mut bytes = pass.zeroes();
            let part = value.chunks(bytes.len()).nth(to_index(logical));
            for (byte, new) in bytes.iter_mut().zip(part.unwrap_or_default()) {
                *byte = *new;
            }
            pass.patches.store(block, &bytes)
        })?;
        let hashes = self.value_hashes(inode.number)?;
        Ok(hashes.map(|hashes| hashes.new))
    }

    /// The hashes of the value in inode `number`, where it is one.
    pub(super) fn value_hashes(&mut self, number: u32) -> Result<Option<ValueHashes>, Error> {
        if let Some(known) = self.values.get(&number) {
            return Ok(*known);
        }
        let mut hashes = None;
        if let Some(bytes) = self.raw_inode(number)? {
            let inode = Inode::decode(&bytes, number, &self.layout.geometry);
            let fields = Fields::new(&bytes, &inode);
            if fields.is_value() {
                let old = self.read_value(&inode, fields.size)?;
                let stored = u32_at(&bytes, VALUE_HASH_AT);
                hashes = old.map(|old| self.hashes(stored, &old));
            }
        }
        if self.values.len() >= VALUES_MAX {
            self.values.clear();
        }
        self.values.insert(number, hashes);
        Ok(hashes)
    }

    /// The hashes of the value `old`; `stored` is the one kept. What
    /// is kept for something else, or wrong, stays.
    fn hashes(&self, stored: u32, old: &[u8]) -> ValueHashes {
        let hash = |value: &[u8]| checksum::attribute_value(self.seed, value);
        ValueHashes {
            old: stored,
            new: if stored == hash(old) {
                hash(&self.replaced(old))
            } else {
                stored
            },
        }
    }

    fn replaced(&self, old: &[u8]) -> Vec<u8> {
        let mut new = vec![0; old.len()];
        self.names.replace(old, &mut new);
        new
    }

    /// The value of `size_bytes` in the blocks of `inode`; `None` where it is
    /// too long or has holes.
    fn read_value(&self, inode: &Inode, size_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        if size_bytes > VALUE_BYTES_MAX {
            return Ok(None);
        }
        let geometry = &self.layout.geometry;
        let mut value = Vec::new();
        let mut nodes_left = VALUE_NODES_MAX;
        let mut mapper = Mapper::new(self.disk, self.layout);
        let walked = mapper.walk(inode, MapForm::of(inode), &mut |item| match item {
            Item::Node { .. } => {
                nodes_left = nodes_left.checked_sub(1).ok_or(Enough::Found)?;
                Ok(())
            }
            Item::Blocks { logical, run, .. } => {
                let have = len_u64(value.len());
                let missing = size_bytes.saturating_sub(have);
                if geometry.byte_of(logical) != have || missing == 0 {
                    return Err(Enough::Found);
                }
                let bytes = geometry.byte_of(run.count()).min(missing);
                let mut part = vec![0; to_index(bytes)];
                self.read(Structure::Contents, run.start, &mut part)?;
                value.append(&mut part);
                Ok(())
            }
            Item::Damage(_) => Err(Enough::Found),
        });
        match walked {
            Err(Enough::Failed(error)) => Err(error),
            Ok(()) | Err(Enough::Found) => {
                Ok(Some(value).filter(|value| len_u64(value.len()) == size_bytes))
            }
        }
    }
}

/// Why a value is read no further.
enum Enough {
    /// It is there, or cannot be found.
    Found,
    Failed(Error),
}

impl From<Error> for Enough {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
