//! All inodes of a filesystem, from its inode tables in the order of the
//! groups.

use std::ops::Range;

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::{Error, Structure, read};
use ext_format::finding::InodeDamage;
use ext_format::geometry::{Geometry, to_index};
use ext_format::group::{Descriptor, GroupReader, Layout};
use ext_format::inode::{BAD_BLOCKS_INODE, Inode, checksum_damage};
use ext_format::runs::BlockRun;
use ext_format::superblock::{u16_at, u32_at};

/// Bytes of an inode table read at a time; a block may be as large as 64 KiB.
const PIECE_BYTES: u64 = 512 << 10;

/// An inode in use. What cannot be proven deleted is in use.
#[derive(Debug)]
pub(crate) struct Met<'i> {
    pub(crate) inode: &'i Inode,
    /// What its checksum says.
    pub(crate) damage: Option<InodeDamage>,
    /// It is in the part of the table that ever held inodes.
    pub(crate) held: bool,
}

/// The first group whose descriptor says what cannot be.
pub(crate) fn first_unusable<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
) -> Result<Option<u32>, Error> {
    let geometry = &groups.layout().geometry;
    let stored = geometry.inodes_per_group();
    first_not(groups, |descriptor| {
        leads_to_inodes(descriptor, geometry) && descriptor.inodes_held(stored).is_some()
    })
}

/// The first group whose descriptor does not tell where its inodes are.
pub(crate) fn first_without_inodes<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
) -> Result<Option<u32>, Error> {
    let geometry = &groups.layout().geometry;
    first_not(groups, |descriptor| leads_to_inodes(descriptor, geometry))
}

/// Whether the places in `descriptor` can be believed.
fn leads_to_inodes(descriptor: &Descriptor, geometry: &Geometry) -> bool {
    let inside = |run| geometry.holds_all(run);
    descriptor.verifies() && descriptor.metadata(geometry).into_iter().all(inside)
}

/// The first group whose descriptor is not `right`.
fn first_not<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
    right: impl Fn(&Descriptor) -> bool,
) -> Result<Option<u32>, Error> {
    for group in 0..groups.layout().geometry.group_count() {
        if !right(&groups.descriptor(group)?) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// Which part of the inode tables is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// What ever held inodes, by the descriptors that verify.
    Held,
    /// All of them.
    Whole,
}

/// Where an inode is.
#[derive(Clone, Copy, Debug)]
struct Place<'d> {
    group: u32,
    descriptor: &'d Descriptor,
    /// In the table of the group, from 0.
    index: u32,
    /// It is among those that were ever used.
    held: bool,
}

/// Reads inode tables in large pieces. Memory: one piece, one bitmap.
#[derive(Debug)]
pub(crate) struct InodeTables<'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    groups: GroupReader<'a, R>,
    scan: Scan,
    bytes: Vec<u8>,
    /// The inodes in use of the group `bitmap_of`.
    bitmap: Bitmap,
    bitmap_of: Option<u32>,
}

impl<'a, R: ReadAt + ?Sized> InodeTables<'a, R> {
    pub(crate) fn new(
        disk: &'a R,
        layout: &'a Layout,
        groups: GroupReader<'a, R>,
        scan: Scan,
    ) -> Self {
        Self {
            disk,
            layout,
            groups,
            scan,
            bytes: Vec::new(),
            bitmap: Bitmap::default(),
            bitmap_of: None,
        }
    }

    pub(crate) fn descriptor(&mut self, group: u32) -> Result<Descriptor, Error> {
        self.groups.descriptor(group)
    }

    /// Calls `visit` with every inode in use, but for those of groups that have no
    /// table within the filesystem. An error of `visit` ends the walk.
    pub(crate) fn walk<E: From<Error>>(
        &mut self,
        visit: &mut impl FnMut(Met<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let geometry = &self.layout.geometry;
        let stored = geometry.inodes_per_group();
        for group in 0..geometry.group_count() {
            let held = self.groups.descriptor(group)?.inodes_held(stored);
            let held = held.unwrap_or(stored);
            let wanted = match self.scan {
                Scan::Held => held,
                Scan::Whole => stored,
            };
            self.walk_group(group, 0..held, true, visit)?;
            self.walk_group(group, held..wanted, false, visit)?;
        }
        Ok(())
    }

    /// Calls `visit` with every inode in use of those at `indices` in the table of
    /// `group`, all of which were ever used, or none.
    pub(crate) fn walk_group<E: From<Error>>(
        &mut self,
        group: u32,
        indices: Range<u32>,
        held: bool,
        visit: &mut impl FnMut(Met<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let geometry = &self.layout.geometry;
        let descriptor = self.groups.descriptor(group)?;
        let table = BlockRun::new(descriptor.inode_table, geometry.table_blocks());
        if !geometry.holds_all(table) {
            return Ok(());
        }
        let inode_bytes = u64::from(geometry.inode_bytes());
        // At least one: an inode is at most a block.
        let most = u32::try_from(PIECE_BYTES >> inode_bytes.trailing_zeros()).unwrap_or(1);
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut next = indices.start;
        while next < indices.end {
            let piece = next..next.saturating_add(most).min(indices.end);
            next = piece.end;
            let before = u64::from(piece.start).saturating_mul(inode_bytes);
            let length = u64::from(piece.end.saturating_sub(piece.start));
            bytes.resize(to_index(length.saturating_mul(inode_bytes)), 0);
            let at = geometry.byte_of(table.start).saturating_add(before);
            read(self.disk, Structure::Inode, at, &mut bytes)?;
            let inodes = bytes.chunks_exact(to_index(inode_bytes));
            for (index, bytes) in piece.zip(inodes) {
                let place = Place {
                    group,
                    descriptor: &descriptor,
                    index,
                    held,
                };
                self.inode(place, bytes, visit)?;
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Gives `visit` the inode at `place`, stored as `bytes`, where it is in
    /// use.
    fn inode<E: From<Error>>(
        &mut self,
        place: Place<'_>,
        bytes: &[u8],
        visit: &mut impl FnMut(Met<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let geometry = &self.layout.geometry;
        let before = place.group.saturating_mul(geometry.inodes_per_group());
        let number = before.saturating_add(place.index).saturating_add(1);
        if !self.in_use(place, number, bytes)? {
            return Ok(());
        }
        // An inode that was never written has no checksum.
        let damage = if bytes.iter().all(|byte| *byte == 0) {
            None
        } else {
            checksum_damage(bytes, number, self.layout)
        };
        visit(Met {
            inode: &Inode::decode(bytes, number, geometry),
            damage,
            held: place.held,
        })
    }

    /// Whether inode `number`, stored as `bytes`, is in use: it has links, or
    /// it is an orphan, or the inode bitmap has it.
    fn in_use(&mut self, place: Place<'_>, number: u32, bytes: &[u8]) -> Result<bool, Error> {
        let i_mode = u16_at(bytes, 0x00);
        let i_links_count = u16_at(bytes, 0x1a);
        if i_mode == 0 || i_links_count > 0 {
            return Ok(i_links_count > 0 || number == BAD_BLOCKS_INODE);
        }
        // Of an orphan it is zero or another inode's number; no file was
        // deleted in the first days of 1970.
        let i_dtime = u32_at(bytes, 0x14);
        if i_dtime <= self.layout.geometry.inode_count() {
            return Ok(true);
        }
        self.load_bitmap(place)?;
        let bit = to_index(u64::from(place.index));
        Ok(self.bitmap.first_free(bit..bit.saturating_add(1)).is_none())
    }

    /// Loads the inode bitmap as it is stored. Where there is none, all inodes
    /// are in use.
    fn load_bitmap(
        &mut self,
        Place {
            group, descriptor, ..
        }: Place<'_>,
    ) -> Result<(), Error> {
        if self.bitmap_of == Some(group) {
            return Ok(());
        }
        let geometry = &self.layout.geometry;
        let inodes = to_index(u64::from(geometry.inodes_per_group()));
        if geometry.holds(descriptor.inode_bitmap) {
            let mut bytes = vec![0; to_index(geometry.block_bytes())];
            let at = geometry.byte_of(descriptor.inode_bitmap);
            read(self.disk, Structure::InodeBitmap, at, &mut bytes)?;
            self.bitmap.load(&bytes, inodes);
        } else {
            self.bitmap.fill(inodes);
        }
        self.bitmap_of = Some(group);
        Ok(())
    }
}
