//! The inodes of all groups, one after the other.

use blockio::{ReadAt, is_zero};
use ext_format::block_map::Mapper;
use ext_format::error::{Error, Structure, read};
use ext_format::geometry::to_index;
use ext_format::group::{Descriptor, GroupReader, Layout};
use ext_format::inode::Inode;
use ext_format::runs::BlockRun;
use ext_format::superblock::{u16_at, u32_at};

use crate::attributes;
use crate::directory::entries::put_u32;
use crate::directory::{Directory, Outcome, Scrambler};
use crate::inode::{
    self, FIELDS_BYTES, Fields, I_BLOCK, I_FLAGS_AT, Kind, VALUE_HASH_AT, clean_device,
};
use crate::link;
use crate::map::{clean_extents, clean_pointers};
use crate::names::Case;
use crate::pass::around::{Around, Data};
use crate::pass::{Pass, parts};
use crate::text::clear_text;

/// Bytes of text that an inode which is not believed may not hold.
const TEXT_MIN: usize = 4;

/// Bytes of `i_block` before the entries of a directory: the parent.
const INLINE_ENTRIES_AT: usize = 4;

/// What a group says of its inodes.
struct Group {
    number: u32,
    /// How many at the start of the table were ever used.
    held: u32,
    /// The bits of those in use, where they can be read.
    bits: Option<Vec<u8>>,
}

impl Group {
    /// Whether inode `index` of the group is in use; all are if that is not
    /// known.
    fn has_in_use(&self, index: u32) -> bool {
        self.bits.is_none() || self.has_marked(index)
    }

    /// Whether the bitmap is there, and has inode `index`.
    fn has_marked(&self, index: u32) -> bool {
        let byte = |bits: &Vec<u8>| bits.get(to_index(u64::from(index / 8))).copied();
        let byte = self.bits.as_ref().and_then(byte);
        byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

impl<'a, R: ReadAt + ?Sized> Pass<'a, R> {
    /// Scrambles the inodes in the tables of `layout` that are shown, and what
    /// belongs to each.
    pub(super) fn inodes(&mut self, layout: &Layout, shown: &[BlockRun]) -> Result<(), Error> {
        let geometry = &layout.geometry;
        let mut groups = GroupReader::new(self.disk, layout);
        let mut mapper = Mapper::new(self.disk, self.layout);
        for group in 0..geometry.group_count() {
            let descriptor = groups.descriptor(group)?;
            let table = BlockRun::new(descriptor.inode_table, geometry.table_blocks());
            if !geometry.holds_all(table) {
                continue;
            }
            let mut state = None;
            for run in parts(shown, table) {
                let state = match &mut state {
                    Some(state) => state,
                    state => state.insert(self.group(group, &descriptor)?),
                };
                for block in run.start..run.end {
                    let before = geometry.byte_of(block.saturating_sub(table.start));
                    self.table_block(&mut mapper, state, before, block)?;
                }
            }
        }
        Ok(())
    }

    fn group(&self, number: u32, descriptor: &Descriptor) -> Result<Group, Error> {
        let per_group = self.layout.geometry.inodes_per_group();
        let block = descriptor.inode_bitmap;
        let mut bits = None;
        if self.layout.geometry.holds(block) {
            let mut bytes = self.zeroes();
            self.read(Structure::InodeBitmap, block, &mut bytes)?;
            bits = Some(bytes);
        }
        Ok(Group {
            number,
            held: descriptor.inodes_held(per_group).unwrap_or(per_group),
            bits,
        })
    }

    /// Scrambles the inodes in `block` of the table of `group`, `before`
    /// bytes of which are in earlier ones.
    fn table_block(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        group: &Group,
        before: u64,
        block: u64,
    ) -> Result<(), Error> {
        if self.patches.contains(block)? {
            return Ok(());
        }
        let mut bytes = self.zeroes();
        self.read(Structure::Inode, block, &mut bytes)?;
        if !is_zero(&bytes) {
            let geometry = &self.layout.geometry;
            let per_group = geometry.inodes_per_group();
            let inode_bytes = u64::from(geometry.inode_bytes());
            let first = before.checked_div(inode_bytes).unwrap_or_default();
            let first = u32::try_from(first).unwrap_or(u32::MAX);
            let numbers = group.number.saturating_mul(per_group).saturating_add(1);
            for (inode, index) in bytes.chunks_mut(to_index(inode_bytes)).zip(first..) {
                let number = numbers.saturating_add(index);
                let is_known = index < group.held || group.has_marked(index);
                if is_known || self.verifies(number, inode) {
                    self.inode(mapper, number, inode, group.has_in_use(index))?;
                } else {
                    // It was never used: whatever is there is older.
                    inode.fill(0);
                }
            }
        }
        self.patches.store(block, &bytes)
    }

    /// The bytes of inode `number`, where there is one.
    pub(super) fn raw_inode(&mut self, number: u32) -> Result<Option<Vec<u8>>, Error> {
        let geometry = &self.layout.geometry;
        let per_group = geometry.inodes_per_group();
        let Some(index) = number.checked_sub(1) else {
            return Ok(None);
        };
        let group = index.checked_div(per_group).unwrap_or(u32::MAX);
        if group >= geometry.group_count() {
            return Ok(None);
        }
        let descriptor = self.groups.descriptor(group)?;
        let table = BlockRun::new(descriptor.inode_table, geometry.table_blocks());
        if !geometry.holds_all(table) {
            return Ok(None);
        }
        let inode_bytes = u64::from(geometry.inode_bytes());
        let before = u64::from(index.checked_rem(per_group).unwrap_or_default());
        let at = geometry
            .byte_of(table.start)
            .saturating_add(before.saturating_mul(inode_bytes));
        let mut bytes = vec![0; to_index(inode_bytes)];
        read(self.disk, Structure::Inode, at, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Scrambles inode `number`, and what belongs to it.
    fn inode(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        number: u32,
        bytes: &mut [u8],
        in_bitmap: bool,
    ) -> Result<(), Error> {
        if is_zero(bytes) {
            return Ok(());
        }
        let inode = Inode::decode(bytes, number, &self.layout.geometry);
        let is_reserved = number < self.volume.reserved.first_inode;
        let is_linked = inode.i_links_count > 0;
        // Of an orphan this is zero or the number of another.
        let is_orphan =
            inode.i_mode != 0 && u32_at(bytes, 0x14) <= self.layout.geometry.inode_count();
        if !in_bitmap && !is_linked && !is_orphan && !is_reserved {
            bytes.fill(0);
            self.report.cleared_inodes = self.report.cleared_inodes.saturating_add(1);
            return Ok(());
        }
        let fields = Fields::new(bytes, &inode);
        let computed = self.checksum(number, bytes);
        let wrong = computed.map(|right| right ^ stored_checksum(bytes));
        let kind = fields.kind(bytes, is_reserved);
        let is_believed = match wrong {
            Some(wrong) => wrong == 0,
            None => fields.is_plausible(kind, bytes, self.layout.geometry.block_count()),
        };
        let data = self.contents(mapper, &inode, &fields, kind, bytes)?;
        self.attributes(&fields, bytes, data, is_believed)?;
        if !is_believed {
            // It may be a block of something else.
            let (head, rest) = bytes.split_at_mut(I_BLOCK.end);
            let (head, _) = head.split_at_mut(I_BLOCK.start);
            let tail = rest.len().min(FIELDS_BYTES.saturating_sub(I_BLOCK.end));
            let (tail, _) = rest.split_at_mut(tail);
            let cleared = clear_text(head, TEXT_MIN) | clear_text(tail, TEXT_MIN);
            self.report.cleared = self.report.cleared.saturating_add(u64::from(cleared));
        }
        if let (Some(wrong), Some(right)) = (wrong, self.checksum(number, bytes)) {
            set_checksum(bytes, right ^ wrong);
        }
        Ok(())
    }

    /// Scrambles `i_block` and what it leads to. Returns what becomes of the
    /// inline data.
    fn contents(
        &mut self,
        mapper: &mut Mapper<'_, R>,
        inode: &Inode,
        fields: &Fields,
        kind: Kind,
        bytes: &mut [u8],
    ) -> Result<Data<'a>, Error> {
        match kind {
            Kind::Directory | Kind::Doubtful => {
                let scrambler = self.scrambler(inode, fields);
                let outcome = self.directory(mapper, inode, &scrambler)?;
                if outcome.unindexed.is_some() {
                    put_u32(bytes, I_FLAGS_AT, inode::unindexed_flags(bytes));
                }
                if kind == Kind::Directory {
                    self.add_directory(&scrambler, outcome);
                }
            }
            Kind::SlowLink => self.link(mapper, inode, fields)?,
            Kind::File => self.file(mapper, inode)?,
            Kind::Value => {
                if let Some(hash) = self.value(mapper, inode, fields.size)? {
                    put_u32(bytes, VALUE_HASH_AT, hash);
                }
            }
            Kind::FastLink
            | Kind::InlineLink
            | Kind::InlineDirectory
            | Kind::InlineData
            | Kind::Device => return Ok(self.inline(inode, fields, kind, bytes)),
        }
        let map = bytes.get_mut(I_BLOCK).unwrap_or_default();
        if fields.has_extents() {
            clean_extents(map);
        } else {
            let geometry = &self.layout.geometry;
            clean_pointers(map, |block| block < geometry.block_count());
        }
        Ok(Data::Zeroes)
    }

    /// Scrambles an `i_block` that is not a map.
    fn inline(&mut self, inode: &Inode, fields: &Fields, kind: Kind, bytes: &mut [u8]) -> Data<'a> {
        let size = to_index(fields.size);
        let names = self.names;
        let (head, area) = bytes.split_at_mut(inode::attributes_at(bytes));
        let map = head.get_mut(I_BLOCK).unwrap_or_default();
        match kind {
            Kind::FastLink => {
                link::scramble(names, map, size, fields.is_encrypted());
                self.report.links = self.report.links.saturating_add(1);
            }
            Kind::InlineLink => {
                let rest = attributes::inline_data(area).unwrap_or_default();
                let mut target = [&*map, rest].concat();
                link::scramble(names, &mut target, size, false);
                self.report.links = self.report.links.saturating_add(1);
                if let Some((start, rest)) = target.split_at_checked(map.len()) {
                    map.copy_from_slice(start);
                    return Data::Target(rest.to_vec());
                }
            }
            Kind::InlineDirectory => {
                let scrambler = self.scrambler(inode, fields);
                let mut outcome = Outcome::default();
                let entries = map.get_mut(INLINE_ENTRIES_AT..).unwrap_or_default();
                outcome.add(scrambler.inline(entries));
                self.add_directory(&scrambler, outcome);
                return Data::Directory(scrambler);
            }
            Kind::Device => clean_device(map),
            _ => map.fill(0),
        }
        Data::Zeroes
    }

    /// Scrambles the attributes in an inode and in its block of attributes.
    fn attributes(
        &mut self,
        fields: &Fields,
        bytes: &mut [u8],
        data: Data<'a>,
        is_believed: bool,
    ) -> Result<(), Error> {
        inode::zero_unknown_fields(bytes);
        let (names, layout) = (self.names, self.layout);
        let area = bytes
            .get_mut(inode::attributes_at(bytes)..)
            .unwrap_or_default();
        let mut scrambler = attributes::Scrambler {
            names,
            checksums: &layout.checksums,
            surroundings: Around { pass: self, data },
            is_believed,
        };
        let mut cleared = scrambler.inode(area)?;
        scrambler.surroundings.data = Data::Zeroes;
        let block = fields.file_acl;
        let pass = &mut *scrambler.surroundings.pass;
        if layout.geometry.holds(block) && !pass.is_fixed(block) && !pass.patches.contains(block)? {
            let mut bytes = pass.zeroes();
            pass.read(Structure::Attributes, block, &mut bytes)?;
            if attributes::is_block(&bytes) {
                cleared |= scrambler.block(block, &mut bytes)?;
                scrambler.surroundings.pass.patches.store(block, &bytes)?;
            }
        }
        self.report.cleared = self.report.cleared.saturating_add(u64::from(cleared));
        Ok(())
    }

    fn scrambler(&self, inode: &Inode, fields: &Fields) -> Scrambler<'a> {
        let case = if self.has_casefold && fields.ignores_case() {
            Case::Folded
        } else {
            Case::Sensitive
        };
        Scrambler {
            style: self.style,
            directory: Directory {
                number: inode.number,
                i_generation: inode.i_generation,
                is_indexed: fields.is_indexed(),
                is_encrypted: fields.is_encrypted(),
                case,
            },
            names: self.names,
        }
    }

    fn add_directory(&mut self, scrambler: &Scrambler<'_>, outcome: Outcome) {
        let Directory {
            number,
            is_indexed,
            case,
            ..
        } = scrambler.directory;
        self.is_not_utf8 |= case == Case::Folded && outcome.has_other_than_ascii;
        self.report.add_directory(number, is_indexed, outcome);
    }

    /// Whether there is a checksum that says that this is inode `number`.
    fn verifies(&self, number: u32, bytes: &[u8]) -> bool {
        self.checksum(number, bytes) == Some(stored_checksum(bytes))
    }

    /// The checksum of an inode, as it should be.
    fn checksum(&self, number: u32, bytes: &[u8]) -> Option<u32> {
        let checksums = &self.layout.checksums;
        checksums.inode(number, bytes, has_high_checksum(bytes))
    }
}

/// Whether the upper half of an inode's checksum is stored.
fn has_high_checksum(bytes: &[u8]) -> bool {
    u16_at(bytes, 0x80) >= 4
}

fn stored_checksum(bytes: &[u8]) -> u32 {
    let low = u32::from(u16_at(bytes, 0x7c));
    if has_high_checksum(bytes) {
        low | u32::from(u16_at(bytes, 0x82)) << 16
    } else {
        low
    }
}

fn set_checksum(bytes: &mut [u8], checksum: u32) {
    let [a, b, c, d] = checksum.to_le_bytes();
    put_u16(bytes, 0x7c, [a, b]);
    if has_high_checksum(bytes) {
        put_u16(bytes, 0x82, [c, d]);
    }
}

fn put_u16(bytes: &mut [u8], at: usize, value: [u8; 2]) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value;
    }
}
