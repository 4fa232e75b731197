//! A block of a btree as a checked type.

use crate::bytes::{array, be16, be32, be64};
use crate::checksum;
use crate::finding::damage::TreeFault;
use crate::geometry::Geometry;
use crate::tree::{Order, Tree};

/// Where a block is, which it says itself in version 5.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// In units of 512 bytes from the start of the disk.
    pub(crate) basic_block: u64,
    pub(crate) owner: Owner,
}

/// Whose a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Group(u32),
    Inode(u64),
}

/// Bytes before the first record, by version and whether pointers are long, and where the
/// fields of version 5 are.
struct Header {
    bytes: usize,
    basic_block: usize,
    uuid: usize,
    owner: usize,
    checksum: usize,
}

const SHORT4: Header = Header {
    bytes: 16,
    basic_block: 0,
    uuid: 0,
    owner: 0,
    checksum: 0,
};
const SHORT5: Header = Header {
    bytes: 56,
    basic_block: 16,
    uuid: 32,
    owner: 48,
    checksum: 52,
};
const LONG4: Header = Header {
    bytes: 24,
    ..SHORT4
};
const LONG5: Header = Header {
    bytes: 72,
    basic_block: 24,
    uuid: 40,
    owner: 56,
    checksum: 64,
};

const fn header(tree: Tree, has_crc: bool) -> &'static Header {
    match (tree, has_crc) {
        (Tree::File, true) => &LONG5,
        (Tree::File, false) => &LONG4,
        (_, true) => &SHORT5,
        (_, false) => &SHORT4,
    }
}

/// A block whose header was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8],
    tree: Tree,
    /// What follows the header.
    body: &'a [u8],
    count: usize,
}

impl<'a> Block<'a> {
    /// Checks the header of `bytes`, one block at `level` of a tree.
    pub(crate) fn new(
        bytes: &'a [u8],
        tree: Tree,
        geometry: &Geometry,
        place: Place,
        level: u32,
    ) -> Result<Self, TreeFault> {
        let field = |field, found: u64| Err(TreeFault::Field { field, found });
        let header = header(tree, geometry.has_crc);
        if be32(bytes, 0) != tree.magic(geometry.has_crc) {
            return field("bb_magic", be32(bytes, 0).into());
        }
        if geometry.has_crc {
            check_version5(bytes, header, geometry, place)?;
        }
        if u32::from(be16(bytes, 4)) != level {
            return field("bb_level", be16(bytes, 4).into());
        }
        let body = bytes.get(header.bytes..).unwrap_or_default();
        let count = usize::from(be16(bytes, 6));
        if count > capacity(tree, body.len(), level) {
            return field("bb_numrecs", be16(bytes, 6).into());
        }
        Ok(Self {
            bytes,
            tree,
            body,
            count,
        })
    }

    /// The neighbour to the left; all bits set if there is none.
    pub(crate) fn left(&self) -> u64 {
        match self.tree {
            Tree::File => be64(self.bytes, 8),
            _ => be32(self.bytes, 8).into(),
        }
    }

    /// The neighbour to the right; all bits set if there is none.
    pub(crate) fn right(&self) -> u64 {
        match self.tree {
            Tree::File => be64(self.bytes, 16),
            _ => be32(self.bytes, 12).into(),
        }
    }

    /// The records of a leaf.
    pub(crate) fn records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.body
            .chunks_exact(self.tree.record_bytes())
            .take(self.count)
    }

    /// The children of a node: where the first record below each stands, and its block.
    pub(crate) fn children(&self) -> impl Iterator<Item = (Order, u64)> + use<'a> {
        let room = capacity(self.tree, self.body.len(), 1);
        children(self.tree, self.body, room, self.count)
    }
}

/// The first `count` children in `body`, which has room for `room` of them.
pub(crate) fn children(
    tree: Tree,
    body: &[u8],
    room: usize,
    count: usize,
) -> impl Iterator<Item = (Order, u64)> + use<'_> {
    let keys_end = room.saturating_mul(tree.keys_bytes());
    let (keys, pointers) = body.split_at_checked(keys_end).unwrap_or_default();
    let keys = keys.chunks_exact(tree.keys_bytes());
    let pointers = pointers.chunks_exact(tree.pointer_bytes());
    keys.zip(pointers).take(count).map(move |(key, pointer)| {
        let block = match tree {
            Tree::File => be64(pointer, 0),
            _ => be32(pointer, 0).into(),
        };
        (tree.order_of_key(key), block)
    })
}

/// Most records or children that `bytes` bytes hold.
fn capacity(tree: Tree, bytes: usize, level: u32) -> usize {
    let one = if level == 0 {
        tree.record_bytes()
    } else {
        tree.keys_bytes().saturating_add(tree.pointer_bytes())
    };
    bytes.checked_div(one).unwrap_or(0)
}

fn check_version5(
    bytes: &[u8],
    header: &Header,
    geometry: &Geometry,
    place: Place,
) -> Result<(), TreeFault> {
    let field = |field, found: u64| Err(TreeFault::Field { field, found });
    checksum::check(bytes, header.checksum).map_err(|found| TreeFault::Checksum {
        stored: found.stored,
        computed: found.computed,
    })?;
    let basic_block = be64(bytes, header.basic_block);
    if basic_block != place.basic_block {
        return field("bb_blkno", basic_block);
    }
    let uuid: [u8; 16] = array(bytes, header.uuid);
    if uuid != geometry.meta_uuid {
        return Err(TreeFault::Uuid);
    }
    let owner = match place.owner {
        Owner::Group(_) => be32(bytes, header.owner).into(),
        Owner::Inode(_) => be64(bytes, header.owner),
    };
    let want = match place.owner {
        Owner::Group(ag) => u64::from(ag),
        Owner::Inode(inode) => inode,
    };
    if owner != want {
        return field("bb_owner", owner);
    }
    Ok(())
}
