use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::geometry::Geometry;
use crate::superblock::{SUPERBLOCK_BYTES, Superblock};

/// Blocks of 1 KiB: nodes from here on, contents from `CONTENTS` on.
const NODES: u64 = 100;
const CONTENTS: u64 = 2000;
const BLOCKS: u64 = 8000;

/// One group without checksums.
fn layout() -> Layout {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    let mut put = |at: usize, value: u64, length: usize| {
        bytes[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    };
    put(0x00, 16, 4);
    put(0x04, BLOCKS, 4);
    put(0x14, 1, 4);
    put(0x20, 8192, 4);
    put(0x24, 8192, 4);
    put(0x28, 16, 4);
    put(0x38, 0xef53, 2);
    put(0x4c, 1, 4);
    put(0x58, 128, 2);
    let sb = Superblock::decode(&bytes).unwrap();
    let geometry = Geometry::new(&sb, BLOCKS * 1024).unwrap();
    Layout::new(&sb, geometry, false)
}

/// A disk that maps are written to.
struct Disk {
    bytes: Vec<u8>,
    nodes: u64,
}

impl Disk {
    fn new() -> Self {
        Self {
            bytes: vec![0; usize::try_from(CONTENTS * 1024).unwrap()],
            nodes: 0,
        }
    }

    /// Writes a node, and returns its block.
    fn node(&mut self, bytes: &[u8]) -> u32 {
        let block = NODES + self.nodes;
        self.nodes += 1;
        let at = usize::try_from(block * 1024).unwrap();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        u32::try_from(block).unwrap()
    }
}

fn inode(i_block: &[u8]) -> Inode {
    let mut bytes = [0; 128];
    bytes[0x28..0x28 + i_block.len()].copy_from_slice(i_block);
    Inode::decode(&bytes, 12, &layout().geometry)
}

/// Everything a walk meets.
fn items(disk: &[u8], inode: &Inode, form: MapForm) -> Vec<Item> {
    let layout = layout();
    // Contents are not read.
    let disk = [
        disk,
        &vec![0; usize::try_from(BLOCKS * 1024).unwrap() - disk.len()],
    ]
    .concat();
    let mut items = Vec::new();
    let walked = Mapper::new(&disk, &layout).walk(inode, form, &mut |item| {
        items.push(item);
        Ok::<_, Error>(())
    });
    walked.unwrap();
    items
}

/// The contents a walk meets, block by block; nothing is damaged, and they
/// ascend.
fn mapped(disk: &Disk, inode: &Inode, form: MapForm) -> Vec<(u64, u64, bool)> {
    let items = items(&disk.bytes, inode, form);
    let mut blocks = Vec::new();
    let mut nodes = 0;
    for item in items {
        match item {
            Item::Node { .. } => nodes += 1,
            Item::Blocks {
                logical,
                run,
                unwritten,
            } => blocks.extend(
                (logical..)
                    .zip(run.start..run.end)
                    .map(|(l, p)| (l, p, unwritten)),
            ),
            Item::Damage(damage) => panic!("{damage}"),
        }
    }
    assert_eq!(nodes, disk.nodes);
    assert!(blocks.is_sorted());
    blocks
}

/// Extents, as logical block, stored length and block.
type Extents = Vec<(u32, u16, u32)>;

/// Writes an extent tree with `fanout` entries a node, and returns its root.
fn write_tree(disk: &mut Disk, extents: &Extents, fanout: usize) -> Vec<u8> {
    let header = |entries: usize, max: u16, depth: u16| {
        let entries = u16::try_from(entries).unwrap();
        [0xf30a, entries, max, depth, 0, 0]
            .map(u16::to_le_bytes)
            .concat()
    };
    let mut level: Vec<(u32, Vec<u8>)> = extents
        .iter()
        .map(|(logical, length, block)| {
            let words = [*logical, u32::from(*length), *block];
            (*logical, words.map(u32::to_le_bytes).concat())
        })
        .collect();
    let mut depth = 0;
    while level.len() > 4 {
        let above = level.chunks(fanout).map(|entries| {
            let bytes: Vec<_> = entries
                .iter()
                .flat_map(|(_, entry)| entry.clone())
                .collect();
            let block = disk.node(&[header(entries.len(), 84, depth), bytes].concat());
            let (logical, _) = entries[0];
            (logical, [logical, block, 0].map(u32::to_le_bytes).concat())
        });
        level = above.collect();
        depth += 1;
    }
    let entries: Vec<_> = level.iter().flat_map(|(_, entry)| entry.clone()).collect();
    [header(level.len(), 4, depth), entries].concat()
}

/// Writes indirect blocks for `pointers`, from logical to physical block, and
/// returns `i_block`.
fn write_pointers(disk: &mut Disk, pointers: &BTreeMap<u64, u32>) -> Vec<u8> {
    fn below(disk: &mut Disk, pointers: &BTreeMap<u64, u32>, logical: u64, depth: u32) -> u32 {
        let span = 256u64.pow(depth);
        if pointers.range(logical..logical + span).next().is_none() {
            return 0;
        }
        if depth == 0 {
            return pointers[&logical];
        }
        let node: Vec<_> = (0..256)
            .map(|index| below(disk, pointers, logical + index * span / 256, depth - 1))
            .collect();
        disk.node(
            &node
                .into_iter()
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<_>>(),
        )
    }
    let depths = (0..12).map(|_| 0).chain(1..=3);
    let mut logical = 0;
    depths
        .flat_map(|depth| {
            let pointer = below(disk, pointers, logical, depth);
            logical += 256u64.pow(depth);
            pointer.to_le_bytes()
        })
        .collect()
}

proptest! {
    #[test]
    fn a_walk_gives_the_extents_that_were_written(
        stored in prop::collection::vec((0u32..50, 1u16..20, any::<bool>()), 0..200),
        fanout in 3usize..=84,
    ) {
        let (mut logical, mut block) = (0, u32::try_from(CONTENTS).unwrap());
        let (mut extents, mut expected) = (Extents::new(), Vec::new());
        for (hole, length, unwritten) in stored {
            logical += hole;
            extents.push((logical, length + if unwritten { 0x8000 } else { 0 }, block));
            for _ in 0..length {
                expected.push((u64::from(logical), u64::from(block), unwritten));
                logical += 1;
                block += 1;
            }
        }
        let mut disk = Disk::new();
        let root = write_tree(&mut disk, &extents, fanout);
        prop_assert_eq!(mapped(&disk, &inode(&root), MapForm::Extents), expected);
    }

    #[test]
    fn a_walk_gives_the_pointers_that_were_written(
        near in prop::collection::vec(0u64..600, 0..50),
        far in prop::collection::vec(0u64..16_843_020, 0..50),
    ) {
        let blocks = u32::try_from(CONTENTS).unwrap()..;
        let pointers: BTreeMap<_, _> = near.into_iter().chain(far).zip(blocks).collect();
        let mut disk = Disk::new();
        let root = write_pointers(&mut disk, &pointers);
        let expected: Vec<_> = pointers.iter().map(|(l, p)| (*l, u64::from(*p), false)).collect();
        prop_assert_eq!(mapped(&disk, &inode(&root), MapForm::Pointers), expected);
    }

    #[test]
    fn a_walk_over_anything_ends_within_the_filesystem(
        words in prop::collection::vec(prop_oneof![
            Just(0x0001_f30au32), Just(0x0002_0004), Just(0x0001_0054), 100u32..104, any::<u32>(),
        ], 15 + 4 * 256),
        depth in 0u32..6,
    ) {
        let (root, nodes) = words.split_at(15);
        let mut root: Vec<_> = root.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut disk = Disk::new();
        for node in nodes.chunks(256) {
            disk.node(&node.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
        }
        for form in [MapForm::Pointers, MapForm::Extents] {
            for item in items(&disk.bytes, &inode(&root), form) {
                match item {
                    Item::Node { block } => prop_assert!((2..BLOCKS).contains(&block)),
                    Item::Blocks { run, .. } => prop_assert!(run.start > 1 && run.end <= BLOCKS),
                    Item::Damage(_) => {}
                }
            }
            let header = [0x0001_f30a, depth << 16 | 4u32];
            root.splice(..8, header.into_iter().flat_map(u32::to_le_bytes));
        }
    }
}

/// Asserts that of two extents the first is met, and then `damage`.
#[track_caller]
fn second_is_damaged(second: (u32, u16, u32), damage: InodeDamage, still_met: bool) {
    let mut disk = Disk::new();
    let root = write_tree(&mut disk, &vec![(0, 4, 3000), (4, 4, 3010)], 4);
    assert_eq!(mapped(&disk, &inode(&root), MapForm::Extents).len(), 8);
    let root = write_tree(&mut disk, &vec![(0, 4, 3000), second], 4);
    let items = items(&disk.bytes, &inode(&root), MapForm::Extents);
    assert_eq!(items.get(1), Some(&Item::Damage(damage)));
    assert_eq!(items.len(), if still_met { 3 } else { 2 });
}

#[test]
fn an_extent_that_is_wrong_does_not_hide_the_others() {
    let order = InodeDamage::ExtentTree { block: 0 };
    second_is_damaged((3, 4, 3010), order, true);
    second_is_damaged((u32::MAX, 4, 3010), order, true);
    second_is_damaged((4, 0, 3010), order, false);
    let (block, count) = (7999, 2);
    second_is_damaged(
        (4, 2, 7999),
        InodeDamage::OutOfRange { block, count },
        false,
    );
}

#[test]
fn a_node_that_is_met_twice_is_read_once() {
    let mut disk = Disk::new();
    let extents = (0..5).map(|n| (n * 10, 1, 3000 + n)).collect();
    let mut root = write_tree(&mut disk, &extents, 3);
    assert_eq!(mapped(&disk, &inode(&root), MapForm::Extents).len(), 5);
    // The second entry of the root is where the first is.
    root.copy_within(16..20, 28);
    let items = items(&disk.bytes, &inode(&root), MapForm::Extents);
    let again = InodeDamage::Repeated { block: NODES };
    assert_eq!(items.last(), Some(&Item::Damage(again)));
    assert_eq!(items.len(), 6);
}

#[test]
fn a_tree_that_is_too_deep_is_damaged_and_walked() {
    let mut disk = Disk::new();
    let extents = (0..5).map(|n| (n * 10, 1, 3000 + n)).collect();
    let mut root = write_tree(&mut disk, &extents, 3);
    for depth in [6u8, 31] {
        root[6] = depth;
        for node in [100, 101] {
            disk.bytes[node * 1024 + 6] = depth - 1;
        }
        let items = items(&disk.bytes, &inode(&root), MapForm::Extents);
        let deep = InodeDamage::ExtentTree { block: 0 };
        assert_eq!(items.first(), Some(&Item::Damage(deep)));
        assert!(items.contains(&Item::Node { block: NODES }));
    }
    root[6] = 32;
    assert_eq!(items(&disk.bytes, &inode(&root), MapForm::Extents).len(), 1);
}
