//! What is used of a sound filesystem.

use blockio::{ExtentKind, Tiling};
use btrfs_blocks::{Finding, Keep, Options, Proof, Trust, find};

use crate::image::{
    CHUNK, DATA, DEV, EXTENT, FILE, FREE_SPACE, FS, Image, METADATA, MIB, ROOT, SYSTEM, extents,
    open, open_with, used,
};
use crate::items::{GENERATION, file_extent, info, root_item};

/// What all images have: the first MiB with the chunk tree after it, the other trees.
const HEAD: (u64, u64) = (0, MIB + 4096);
const TREES: (u64, u64) = (2 * MIB, 2 * MIB + 5 * 4096);
const CONTENTS: (u64, u64) = (4 * MIB + 0x1_0000, 4 * MIB + 0x1_3000);

#[test]
fn only_the_trees_and_the_file_are_used() {
    let image = Image::new();
    assert_eq!(image.used(), [HEAD, TREES, CONTENTS]);
    let filesystem = image.open();
    let info = filesystem.info();
    assert_eq!((info.uuid, &info.label[..]), ([0xf5; 16], &b"by hand"[..]));
    assert_eq!((info.generation, info.bytes), (GENERATION, 8 << 20));
    assert_eq!((info.devices, info.device), (1, 1));
    assert_eq!((info.sector_bytes, info.node_bytes), (4096, 4096));
    assert_eq!(info.used_bytes, MIB + 9 * 4096);
    assert_eq!(info.used_bytes + info.free_bytes, 8 << 20);
    assert_eq!(filesystem.damage(), []);
    assert_eq!(filesystem.log(), None);
}

#[test]
fn parts_of_the_disk_are_as_in_all_of_it() {
    let filesystem = Image::new().open();
    let all = extents(&filesystem);
    let marks: Vec<u64> = (all.iter().flat_map(|run| [run.start, run.start + 1]))
        .chain([8 << 20, (8 << 20) - 1])
        .collect();
    for start in &marks {
        for end in marks.iter().filter(|end| *end > start) {
            let part: Vec<_> = (filesystem.extents(*start..*end).map(Result::unwrap)).collect();
            let want = all
                .iter()
                .filter(|run| run.start < *end && run.end() > *start);
            let want = want.map(|run| (run.start.max(*start), run.end().min(*end), run.kind));
            let part: Vec<_> = (part.iter().map(|run| (run.start, run.end(), run.kind))).collect();
            assert_eq!(part, want.collect::<Vec<_>>());
        }
    }
}

#[test]
fn without_contents_only_the_trees_are_used() {
    let mut options = Options::default();
    options.keep = Keep::Metadata;
    let filesystem = open_with(Image::new().write(), &options);
    assert_eq!(filesystem.trust(), &Trust::References);
    assert_eq!(used(&filesystem), [HEAD, TREES]);
    let mut image = Image::new();
    image.log();
    let log = (2 * MIB + 0x8_0000, 2 * MIB + 0x8_2000);
    assert_eq!(
        used(&open_with(image.write(), &options)),
        [HEAD, TREES, log]
    );
}

#[test]
fn bytes_after_the_filesystem_are_used() {
    let mut image = Image::new();
    image.size += 5000;
    let tail = (8 << 20, (8 << 20) + 5000);
    assert_eq!(image.used(), [HEAD, TREES, CONTENTS, tail]);
}

#[test]
fn the_log_and_what_it_refers_to_are_used() {
    let mut image = Image::new();
    image.log();
    let log = (2 * MIB + 0x8_0000, 2 * MIB + 0x8_2000);
    let synced = (4 * MIB, 4 * MIB + 8192);
    assert_eq!(image.used(), [HEAD, TREES, log, synced, CONTENTS]);
    let found = image.open().log().unwrap();
    assert_eq!((found.blocks, found.references), (2, 1));
}

#[test]
fn a_second_copy_takes_the_place_of_a_damaged_one() {
    let mut image = Image::new();
    // DUP: metadata at 2 MiB and at 6.5 MiB.
    let second = 13 * MIB / 2;
    image.lay_out_chunk(METADATA, MIB, 4 | 32, 1, &[(1, 2 * MIB), (1, second)]);
    for node in image.nodes.iter_mut().filter(|node| node.at >= METADATA) {
        let copy = node.copies[0] - 2 * MIB + second;
        node.copies.push(copy);
    }
    let both = [HEAD, TREES, CONTENTS, (second, second + 5 * 4096)];
    assert_eq!(image.used(), both);
    let mut disk = image.write();
    disk[2 * 1_048_576 + 200] ^= 1;
    disk[second as usize + 4096 + 200] ^= 1;
    let filesystem = open(disk.clone());
    assert_eq!(filesystem.trust(), &Trust::References);
    assert_eq!(filesystem.damage(), [Finding::Copy { at: 2 * MIB }]);
    assert_eq!(used(&filesystem), both);
    disk[second as usize + 200] ^= 1;
    assert!(matches!(open(disk).trust(), Trust::Nothing(_)));
}

#[test]
fn free_space_may_be_in_bitmaps() {
    let mut image = Image::new();
    image.remove(FREE_SPACE, (DATA, 199, 0x1_0000));
    image.remove(FREE_SPACE, (FILE + 0x3000, 199, 2 * MIB - 0x1_3000));
    *image.item(FREE_SPACE, (DATA, 198, 2 * MIB)) = info(2, 1);
    let mut bits = [0xff; 64];
    // Blocks 16, 17 and 18.
    bits[2] = 0b1111_1000;
    for start in [0, MIB] {
        let half = bits[(start / 32768) as usize..][..32].to_vec();
        image.insert(FREE_SPACE, (DATA + start, 200, MIB), half);
    }
    assert_eq!(image.used(), [HEAD, TREES, CONTENTS]);
}

#[test]
fn free_space_of_groups_that_do_not_exist_is_ignored() {
    let mut image = Image::new();
    image.insert(FREE_SPACE, (0x1000, 198, 0x8000), info(7, 0));
    image.insert(FREE_SPACE, (0x3000, 199, 0x1000), vec![]);
    image.insert(FREE_SPACE, (0x300_0000, 198, MIB), info(1, 0));
    image.insert(FREE_SPACE, (0x300_0000, 199, MIB), vec![]);
    assert_eq!(image.used(), [HEAD, TREES, CONTENTS]);
}

#[test]
fn without_a_valid_free_space_tree_the_extent_tree_decides() {
    for flags in [0u64, 1] {
        let mut image = Image::new();
        image.put(0xb4, &flags.to_le_bytes());
        // It is not even looked at.
        image.remove(FREE_SPACE, (DATA, 198, 2 * MIB));
        assert_eq!(image.used(), [HEAD, TREES, CONTENTS]);
    }
}

#[test]
fn block_groups_may_have_their_own_tree() {
    let mut image = Image::new();
    image.put(0xb4, &11u64.to_le_bytes());
    let at = METADATA + 5 * 4096;
    let groups = [(SYSTEM, MIB), (METADATA, MIB), (DATA, 2 * MIB)].map(|(start, length)| {
        let key = (start, 192, length);
        let bytes = image.item(EXTENT, key).clone();
        image.remove(EXTENT, key);
        (key, bytes)
    });
    image.leaf(at, 2 * MIB + 5 * 4096, 11, groups.into());
    image.insert(ROOT, (11, 132, 0), root_item(at, GENERATION, 0));
    image.insert(EXTENT, (at, 169, 0), crate::items::extent(true));
    image.item(11, (METADATA, 192, MIB))[..8].copy_from_slice(&24576u64.to_le_bytes());
    image.rename(
        FREE_SPACE,
        (at, 199, MIB - 5 * 4096),
        (at + 4096, 199, MIB - 6 * 4096),
    );
    image.put(0x78, &(10 * 4096u64).to_le_bytes());
    let trees = (2 * MIB, 2 * MIB + 6 * 4096);
    assert_eq!(image.used(), [HEAD, trees, CONTENTS]);
}

#[test]
fn trees_may_have_more_than_one_level() {
    let mut image = Image::new();
    let (low, high) = (METADATA + 5 * 4096, METADATA + 6 * 4096);
    let split = image.tree(FREE_SPACE).items.split_off(3);
    let first = image.tree(FREE_SPACE).items[0].0;
    let middle = split[0].0;
    image.leaf(low, 2 * MIB + 5 * 4096, FREE_SPACE, split);
    let pointer = |at: u64| crate::items::words(&[at, GENERATION]);
    let children = vec![
        (first, pointer(METADATA + 4 * 4096)),
        (middle, pointer(low)),
    ];
    image
        .leaf(high, 2 * MIB + 6 * 4096, FREE_SPACE, children)
        .level = 1;
    *image.item(ROOT, (FREE_SPACE, 132, 0)) = root_item(high, GENERATION, 1);
    for at in [low, high] {
        image.insert(EXTENT, (at, 169, 0), crate::items::extent(true));
    }
    image.item(EXTENT, (METADATA, 192, MIB))[..8].copy_from_slice(&28672u64.to_le_bytes());
    image.put(0x78, &(11 * 4096u64).to_le_bytes());
    let leaf = image.nodes.iter_mut().find(|node| node.at == low).unwrap();
    leaf.items[0].0 = (METADATA + 7 * 4096, 199, MIB - 7 * 4096);
    let node = image.nodes.iter_mut().find(|node| node.at == high).unwrap();
    node.items[1].0 = (METADATA + 7 * 4096, 199, MIB - 7 * 4096);
    let trees = (2 * MIB, 2 * MIB + 7 * 4096);
    assert_eq!(image.used(), [HEAD, trees, CONTENTS]);
}

#[test]
fn a_deleted_subvolume_may_refer_to_what_is_free() {
    let mut image = Image::new();
    let gone = METADATA + 0x4_0000;
    let file = vec![((257, 108, 0), file_extent(DATA, 4096))];
    image.leaf(gone, 2 * MIB + 0x4_0000, 300, file);
    let mut item = root_item(gone, GENERATION, 0);
    item[216] = 0;
    image.insert(ROOT, (300, 132, 0), item);
    assert_eq!(image.used(), [HEAD, TREES, CONTENTS]);
}

#[test]
fn references_are_only_asked_for_if_wanted() {
    let mut image = Image::new();
    *image.item(FS, (257, 108, 0)) = file_extent(DATA, 4096);
    assert!(matches!(image.open().trust(), Trust::Nothing(_)));
    let mut options = Options::default();
    options.proof = Proof::Extents;
    let filesystem = open_with(image.write(), &options);
    assert_eq!(filesystem.trust(), &Trust::Extents);
    assert_eq!(used(&filesystem), [HEAD, TREES, CONTENTS]);
}

#[test]
fn places_of_superblocks_are_used_in_chunks_too() {
    let mut image = Image::new();
    image.size = 66 << 20;
    image.places.push(64 << 20);
    image.put(0xd1, &(66 * MIB).to_le_bytes());
    image.item(CHUNK, (1, 216, 1))[8..16].copy_from_slice(&(66 * MIB).to_le_bytes());
    // The metadata chunk is around the second superblock.
    *image.item(CHUNK, (256, 228, METADATA)) = crate::items::chunk(MIB, 4, &[(1, 127 * MIB / 2)]);
    image.rename(DEV, (1, 204, 2 * MIB), (1, 204, 127 * MIB / 2));
    for node in image.nodes.iter_mut().filter(|node| node.at >= METADATA) {
        node.copies[0] += 123 * MIB / 2;
    }
    let trees = (127 * MIB / 2, 127 * MIB / 2 + 5 * 4096);
    let second = (64 * MIB, 64 * MIB + 65536);
    assert_eq!(image.used(), [HEAD, CONTENTS, trees, second]);
    let free = extents(&image.open());
    assert!(
        free.iter()
            .any(|run| run.kind == ExtentKind::Free && run.start == second.1)
    );
}

#[test]
fn other_content_is_of_another_kind() {
    assert!(find(&vec![0u8; 8 << 20]).unwrap().is_none());
    assert!(find(&vec![0u8; 65536]).unwrap().is_none());
    let mut disk = Image::new().write();
    disk[0x1_0040] = b'x';
    assert!(find(&disk).unwrap().is_none());
    disk.truncate(65536 + 4095);
    assert!(find(&disk).unwrap().is_none());
}

#[test]
fn the_example_prints_runs() {
    let mut out = Vec::new();
    let disk = Image::new().write();
    crate::btrfs_runs::print(&disk, &Options::default(), &mut out).unwrap();
    let want = "0 1052672 Data\n1052672 1044480 Free\n2097152 20480 Data\n2117632 2142208 Free\n\
                4259840 12288 Data\n4272128 4116480 Free\n";
    assert_eq!(String::from_utf8(out).unwrap(), want);
    let error = crate::btrfs_runs::print(&vec![0; 4096], &Options::default(), Vec::new());
    assert_eq!(error.unwrap_err().to_string(), "no btrfs superblock");
}
