//! A btrfs filesystem assembled by hand, at literal offsets.
//!
//! A disk of 8 MiB, with blocks and nodes of 4 KiB and checksums of the kind crc32c:
//!
//! | bytes of the disk | bytes of the filesystem | what |
//! |---|---|---|
//! | 1 MiB to 2 MiB | 0x10_0000 | system chunk: the chunk tree |
//! | 2 MiB to 3 MiB | 0x100_0000 | metadata chunk: all other trees |
//! | 4 MiB to 6 MiB | 0x200_0000 | data chunk: a file of 12 KiB at 0x201_0000 |

use blockio::{Extent, ExtentKind, Tiling, tiles};
use btrfs_blocks::{Distrust, ErrorKind, Filesystem, Options, Trust, find};
use fixtures::crc::crc32c;

use crate::items::{
    FSID, GENERATION, Items, Key, chunk, dev_extent, device, extent, file_extent, group, info,
    root_item, words,
};

pub(crate) const DISK_BYTES: usize = 8 << 20;
pub(crate) const NODE: usize = 4096;

pub(crate) const SYSTEM: u64 = 0x10_0000;
pub(crate) const METADATA: u64 = 0x100_0000;
pub(crate) const DATA: u64 = 0x200_0000;
pub(crate) const FILE: u64 = DATA + 0x1_0000;
pub(crate) const MIB: u64 = 1 << 20;

/// Numbers of trees.
pub(crate) const ROOT: u64 = 1;
pub(crate) const EXTENT: u64 = 2;
pub(crate) const CHUNK: u64 = 3;
pub(crate) const DEV: u64 = 4;
pub(crate) const FS: u64 = 5;
pub(crate) const FREE_SPACE: u64 = 10;
pub(crate) const LOG: u64 = 0u64.wrapping_sub(6);

/// A block of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it says that it is.
    pub(crate) at: u64,
    /// Where its copies are on the disk.
    pub(crate) copies: Vec<u64>,
    pub(crate) generation: u64,
    pub(crate) owner: u64,
    pub(crate) level: u8,
    pub(crate) fsid: [u8; 16],
    /// Items of a leaf; of a node the bytes are a pointer and a generation.
    pub(crate) items: Items,
}

/// A filesystem that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) size: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) superblock: Vec<u8>,
    /// Places of the superblock.
    pub(crate) places: Vec<u64>,
}

fn superblock() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    put(0x20, &FSID);
    put(0x30, &words(&[65536, 1]));
    put(0x40, b"_BHRfS_M");
    put(0x48, &words(&[GENERATION, METADATA, SYSTEM, 0]));
    put(0x70, &words(&[8 << 20, 9 * 4096, 6, 1]));
    for at in [0x90, 0x94, 0x98, 0x9c] {
        put(at, &4096u32.to_le_bytes());
    }
    put(0xa4, &words(&[GENERATION]));
    put(0xb4, &words(&[3, 0x361]));
    put(0xc9, &device(8 << 20, 4 << 20));
    put(0x12b, b"by hand");
    bytes
}

impl Image {
    /// Of a tree block for each tree, a file, and a chunk of each kind.
    pub(crate) fn new() -> Self {
        let mut image = Self {
            size: DISK_BYTES,
            nodes: Vec::new(),
            superblock: superblock(),
            places: vec![65536],
        };
        let chunks = vec![
            ((1, 216, 1), device(8 << 20, 4 << 20)),
            ((256, 228, SYSTEM), chunk(MIB, 2, &[(1, MIB)])),
            ((256, 228, METADATA), chunk(MIB, 4, &[(1, 2 * MIB)])),
            ((256, 228, DATA), chunk(2 * MIB, 1, &[(1, 4 * MIB)])),
        ];
        image.leaf(SYSTEM, MIB, CHUNK, chunks);
        image.system_chunks();
        let at = |number: u64| METADATA + number * 4096;
        let roots = [(EXTENT, 1), (DEV, 2), (FS, 3), (FREE_SPACE, 4)];
        let roots =
            roots.map(|(tree, number)| ((tree, 132, 0), root_item(at(number), GENERATION, 0)));
        image.leaf(at(0), 2 * MIB, ROOT, roots.into());
        let mut extents = vec![
            ((SYSTEM, 169, 0), extent(true)),
            ((SYSTEM, 192, MIB), group(4096, 2)),
            ((METADATA, 169, 0), extent(true)),
            ((METADATA, 192, MIB), group(5 * 4096, 4)),
        ];
        extents.extend((1..5).map(|number| ((at(number), 169, 0), extent(true))));
        extents.push(((DATA, 192, 2 * MIB), group(3 * 4096, 1)));
        extents.push(((FILE, 168, 3 * 4096), extent(false)));
        image.leaf(at(1), 2 * MIB + 4096, EXTENT, extents);
        let dev_extents = vec![
            ((1, 204, MIB), dev_extent(SYSTEM, MIB)),
            ((1, 204, 2 * MIB), dev_extent(METADATA, MIB)),
            ((1, 204, 4 * MIB), dev_extent(DATA, 2 * MIB)),
        ];
        image.leaf(at(2), 2 * MIB + 2 * 4096, DEV, dev_extents);
        let file = vec![((257, 108, 0), file_extent(FILE, 3 * 4096))];
        image.leaf(at(3), 2 * MIB + 3 * 4096, FS, file);
        let end = FILE + 3 * 4096;
        let free = vec![
            ((SYSTEM, 198, MIB), info(1, 0)),
            ((SYSTEM + 4096, 199, MIB - 4096), vec![]),
            ((METADATA, 198, MIB), info(1, 0)),
            ((at(5), 199, MIB - 5 * 4096), vec![]),
            ((DATA, 198, 2 * MIB), info(2, 0)),
            ((DATA, 199, 0x1_0000), vec![]),
            ((end, 199, DATA + 2 * MIB - end), vec![]),
        ];
        image.leaf(at(4), 2 * MIB + 4 * 4096, FREE_SPACE, free);
        image
    }

    pub(crate) fn leaf(&mut self, at: u64, on_disk: u64, owner: u64, items: Items) -> &mut Node {
        self.nodes.push(Node {
            at,
            copies: vec![on_disk],
            generation: GENERATION,
            owner,
            level: 0,
            fsid: FSID,
            items,
        });
        self.nodes.last_mut().unwrap()
    }

    /// The first block of a tree.
    pub(crate) fn tree(&mut self, owner: u64) -> &mut Node {
        let node = self.nodes.iter_mut().find(|node| node.owner == owner);
        node.unwrap()
    }

    /// The item of a tree with this key.
    pub(crate) fn item(&mut self, owner: u64, key: Key) -> &mut Vec<u8> {
        let items = &mut self.tree(owner).items;
        &mut items.iter_mut().find(|item| item.0 == key).unwrap().1
    }

    /// Puts an item where it belongs.
    pub(crate) fn insert(&mut self, owner: u64, key: Key, bytes: Vec<u8>) {
        let items = &mut self.tree(owner).items;
        items.push((key, bytes));
        items.sort_by_key(|item| item.0);
    }

    pub(crate) fn rename(&mut self, owner: u64, from: Key, to: Key) {
        let items = &mut self.tree(owner).items;
        items.iter_mut().find(|item| item.0 == from).unwrap().0 = to;
        items.sort_by_key(|item| item.0);
    }

    pub(crate) fn remove(&mut self, owner: u64, key: Key) {
        let items = &mut self.tree(owner).items;
        let count = items.len();
        items.retain(|item| item.0 != key);
        assert_eq!(items.len() + 1, count);
    }

    /// Copies the system chunks of the chunk tree to the superblock.
    pub(crate) fn system_chunks(&mut self) {
        let mut array = Vec::new();
        for (key, bytes) in self.tree(CHUNK).items.clone() {
            if key.1 == 228 && bytes[24] & 2 != 0 {
                array.extend(key.0.to_le_bytes());
                array.push(key.1);
                array.extend(key.2.to_le_bytes());
                array.extend(bytes);
            }
        }
        self.put(0xa0, &(array.len() as u32).to_le_bytes());
        self.put(0x32b, &array);
    }

    /// Writes into the superblock.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.superblock[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Gives the data chunk another layout, of which the stripes on device 1 are ours.
    pub(crate) fn lay_out(&mut self, flags: u64, turns: u64, stripes: &[(u64, u64)]) {
        self.lay_out_chunk(DATA, 2 * MIB, 1 | flags, turns, stripes);
    }

    pub(crate) fn lay_out_chunk(
        &mut self,
        start: u64,
        length: u64,
        flags: u64,
        turns: u64,
        stripes: &[(u64, u64)],
    ) {
        *self.item(CHUNK, (256, 228, start)) = chunk(length, flags, stripes);
        let extents = &mut self.tree(DEV).items;
        extents.retain(|(_, bytes)| bytes[16..24] != start.to_le_bytes());
        let own = stripes.iter().filter(|stripe| stripe.0 == 1);
        let own: Vec<_> = own
            .map(|stripe| ((1, 204, stripe.1), dev_extent(start, length / turns)))
            .collect();
        extents.extend(own);
        extents.sort_by_key(|item| item.0);
        let used: u64 = (extents.iter())
            .map(|(_, bytes)| u64::from_le_bytes(bytes[24..32].try_into().unwrap()))
            .sum();
        *self
            .item(EXTENT, (start, 192, length))
            .last_chunk_mut()
            .unwrap() = flags.to_le_bytes();
        *self.item(CHUNK, (1, 216, 1)) = device(8 << 20, used);
        self.put(0xc9, &device(8 << 20, used));
        self.system_chunks();
    }

    /// Adds a log with a file whose contents are 8 KiB at the start of the data chunk.
    pub(crate) fn log(&mut self) {
        let at = |number: u64| METADATA + 0x8_0000 + number * 4096;
        self.put(0x60, &words(&[at(0)]));
        let roots = vec![((LOG, 132, 5), root_item(at(1), GENERATION + 1, 0))];
        let file = vec![((258, 108, 0), file_extent(DATA, 8192))];
        for (number, items) in [(0, roots), (1, file)] {
            let on_disk = 2 * MIB + 0x8_0000 + number * 4096;
            self.leaf(at(number), on_disk, LOG, items).generation = GENERATION + 1;
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut disk = vec![0; self.size];
        for node in &self.nodes {
            let bytes = node.write();
            for copy in &node.copies {
                let at = *copy as usize;
                disk[at..at + NODE].copy_from_slice(&bytes);
            }
        }
        for place in &self.places {
            let mut bytes = self.superblock.clone();
            bytes[0x30..0x38].copy_from_slice(&place.to_le_bytes());
            seal(&mut bytes);
            let at = *place as usize;
            disk[at..at + 4096].copy_from_slice(&bytes);
        }
        disk
    }

    pub(crate) fn open(&self) -> Filesystem<Vec<u8>> {
        open(self.write())
    }

    /// The used runs, of a filesystem that is trusted.
    #[track_caller]
    pub(crate) fn used(&self) -> Vec<(u64, u64)> {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), &Trust::References);
        used(&filesystem)
    }

    /// Everything is kept, for this reason.
    #[track_caller]
    pub(crate) fn kept(&self, why: &Distrust, kind: ErrorKind) {
        let filesystem = self.open();
        assert_eq!(filesystem.trust(), &Trust::Nothing(why.clone()));
        assert_eq!(why.kind(), kind);
        assert_eq!(used(&filesystem), [(0, self.size as u64)]);
        assert_eq!(filesystem.info().free_bytes, 0);
    }
}

impl Node {
    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![0; NODE];
        bytes[0x20..0x30].copy_from_slice(&self.fsid);
        bytes[0x30..0x40].copy_from_slice(&words(&[self.at, 1 | 1 << 56]));
        bytes[0x50..0x60].copy_from_slice(&words(&[self.generation, self.owner]));
        bytes[0x60..0x64].copy_from_slice(&(self.items.len() as u32).to_le_bytes());
        bytes[0x64] = self.level;
        let (mut head, mut end) = (101, NODE);
        for ((object, kind, offset), item) in &self.items {
            bytes[head..head + 8].copy_from_slice(&object.to_le_bytes());
            bytes[head + 8] = *kind;
            bytes[head + 9..head + 17].copy_from_slice(&offset.to_le_bytes());
            if self.level > 0 && item.len() == 16 {
                bytes[head + 17..head + 33].copy_from_slice(item);
                head += 33;
                continue;
            }
            end -= item.len();
            bytes[end..end + item.len()].copy_from_slice(item);
            bytes[head + 17..head + 21].copy_from_slice(&(end as u32 - 101).to_le_bytes());
            bytes[head + 21..head + 25].copy_from_slice(&(item.len() as u32).to_le_bytes());
            head += 25;
        }
        assert!(head <= end);
        seal(&mut bytes);
        bytes
    }
}

/// Puts the checksum of a block in front of it.
pub(crate) fn seal(block: &mut [u8]) {
    let sum = !crc32c(!0, &block[32..]);
    block[..4].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn open_with(disk: Vec<u8>, options: &Options) -> Filesystem<Vec<u8>> {
    let candidate = find(&disk).unwrap().unwrap();
    candidate.open(disk, options).unwrap()
}

pub(crate) fn open(disk: Vec<u8>) -> Filesystem<Vec<u8>> {
    open_with(disk, &Options::default())
}

/// All extents, which tile the disk.
pub(crate) fn extents<R: blockio::ReadAt>(filesystem: &Filesystem<R>) -> Vec<Extent> {
    let size = filesystem.disk().size();
    let all: Vec<_> = filesystem.extents(0..size).map(Result::unwrap).collect();
    assert!(tiles(all.iter().copied(), size));
    all
}

/// Starts and ends of used runs.
pub(crate) fn used<R: blockio::ReadAt>(filesystem: &Filesystem<R>) -> Vec<(u64, u64)> {
    (extents(filesystem).iter())
        .filter(|extent| extent.kind == ExtentKind::Data)
        .map(|extent| (extent.start, extent.end()))
        .collect()
}

/// Changes an image, and expects everything to be kept.
#[track_caller]
pub(crate) fn corrupt(change: impl FnOnce(&mut Image), why: &Distrust) {
    let mut image = Image::new();
    image.used();
    change(&mut image);
    image.kept(why, ErrorKind::Corrupt);
}
