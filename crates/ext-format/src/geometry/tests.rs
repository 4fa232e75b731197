use super::*;
use crate::superblock::SUPERBLOCK_BYTES;

/// The superblock of 100 groups of 256 blocks of 1 KiB.
struct Stored([u8; SUPERBLOCK_BYTES]);

impl Stored {
    fn new() -> Self {
        let mut stored = Self([0; SUPERBLOCK_BYTES]);
        stored.put(0x38, &[0x53, 0xef]).put(0x4c, &[1]);
        stored.u32(0x00, 1600).u32(0x04, 25_601).u32(0x14, 1);
        stored.u32(0x20, 256).u32(0x24, 256).u32(0x28, 16);
        stored.put(0x58, &[128, 0]).u32(0x64, 1);
        stored
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    fn geometry(&self) -> Geometry {
        let sb = Superblock::decode(&self.0).unwrap();
        Geometry::new(&sb, 1 << 40).unwrap()
    }
}

fn with_superblocks(geometry: &Geometry) -> Vec<u32> {
    (0..geometry.group_count())
        .filter(|group| geometry.has_superblock(u64::from(*group)))
        .collect()
}

#[test]
fn copies_of_the_superblock_are_in_powers_of_3_5_and_7() {
    let geometry = Stored::new().geometry();
    let expected = [0, 1, 3, 5, 7, 9, 25, 27, 49, 81];
    assert_eq!(with_superblocks(&geometry), expected);
}

#[test]
fn without_sparse_super_every_group_has_a_copy() {
    let geometry = Stored::new().u32(0x64, 0).geometry();
    assert_eq!(with_superblocks(&geometry).len(), 100);
}

#[test]
fn sparse_super2_names_the_groups_that_have_a_copy() {
    let mut stored = Stored::new();
    stored.u32(0x5c, 0x200).u32(0x24c, 1).u32(0x250, 99);
    assert_eq!(with_superblocks(&stored.geometry()), [0, 1, 99]);
    stored.u32(0x24c, 0).u32(0x250, 0);
    assert_eq!(with_superblocks(&stored.geometry()), [0]);
}

fn base(geometry: &Geometry, group: u32) -> (u64, u64) {
    let run = geometry.base_metadata(group);
    (run.start, run.count())
}

#[test]
fn descriptors_and_the_room_reserved_for_more_follow_each_superblock() {
    // 32 descriptors a block: 4 blocks; and 10 reserved.
    let geometry = Stored::new().put(0xce, &[10, 0]).geometry();
    assert_eq!(base(&geometry, 0), (1, 1 + 4 + 10));
    assert_eq!(base(&geometry, 1), (257, 1 + 4 + 10));
    assert_eq!(base(&geometry, 2), (513, 0));
    let places: Vec<_> = (0..4).map(|i| geometry.descriptor_block(i)).collect();
    assert_eq!(places, [2, 3, 4, 5]);
}

#[test]
fn meta_bg_spreads_descriptors_over_the_groups() {
    // The first block of descriptors is old; those of groups 32 and up are in
    // the first two groups and the last of each 32.
    let mut stored = Stored::new();
    stored.u32(0x60, 0x10).u32(0x104, 1).put(0xce, &[10, 0]);
    let geometry = stored.geometry();
    let places: Vec<_> = (0..4).map(|i| geometry.descriptor_block(i)).collect();
    assert_eq!(places, [2, 1 + 32 * 256, 1 + 64 * 256, 1 + 96 * 256]);
    assert_eq!(base(&geometry, 0), (1, 2));
    assert_eq!(base(&geometry, 9), (1 + 9 * 256, 2));
    assert_eq!(base(&geometry, 31), (1 + 31 * 256, 0));
    for group in [32, 33, 63, 64, 65, 95, 96, 97] {
        assert_eq!(base(&geometry, group).1, 1, "group {group}");
    }
    for group in [34, 62, 94, 98, 99] {
        assert_eq!(base(&geometry, group).1, 0, "group {group}");
    }
    assert_eq!(base(&geometry, 49), (1 + 49 * 256, 1));
    // Of meta_bg alone, group 0 keeps its superblock in block 1.
    let geometry = stored.u32(0x104, 0).geometry();
    assert_eq!(geometry.descriptor_block(0), 2);
    assert_eq!(base(&geometry, 0), (1, 2));
}

#[test]
fn clusters_larger_than_1_kib_start_at_block_0() {
    // Blocks of 1 KiB, clusters of 4 KiB: the superblock is in block 1.
    let mut stored = Stored::new();
    stored.u32(0x64, 0x201).u32(0x1c, 2).u32(0x14, 0);
    stored.u32(0x20, 1024).u32(0x28, 64).u32(0x04, 25_598);
    let geometry = stored.geometry();
    assert_eq!(geometry.group_count(), 25);
    assert_eq!(base(&geometry, 0), (0, 3));
    assert_eq!(geometry.descriptor_block(0), 2);
    assert_eq!(base(&geometry, 1), (1024, 2));
    assert_eq!(geometry.clusters_in(0), 256);
    // 1022 blocks: the last cluster has two.
    assert_eq!(geometry.clusters_in(24), 256);
    assert_eq!(geometry.bytes_past_end(24), 2048);
    assert_eq!(geometry.bytes_of(24, 255..256), 25_596 << 10..25_598 << 10);
    assert_eq!(geometry.bits_of(1, BlockRun::new(1027, 2)), 0..2);
    assert_eq!(geometry.bits_of(1, BlockRun::new(0, 1024)), 0..0);
    assert_eq!(geometry.bits_of(1, BlockRun::new(0, 5000)), 0..256);
}

#[test]
fn blocks_of_64_kib_hold_the_boot_block_and_the_superblock() {
    let mut stored = Stored::new();
    stored.u32(0x18, 6).u32(0x1c, 6).u32(0x14, 0);
    stored.u32(0x20, 65_528).u32(0x24, 65_528).u32(0x04, 65_529);
    stored.u32(0x00, 32);
    let geometry = stored.geometry();
    assert_eq!(geometry.group_count(), 2);
    assert_eq!(base(&geometry, 0), (0, 2));
    assert_eq!(geometry.descriptor_block(0), 1);
    // The copy in group 1 is cut at the end of the filesystem.
    assert_eq!(base(&geometry, 1), (65_528, 1));
}
