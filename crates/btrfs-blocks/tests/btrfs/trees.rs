//! Trees that keep everything: their blocks, what they refer to, and the log.

use btrfs_blocks::{BlockFault, Distrust, ErrorKind, Trust};

use crate::image::{
    CHUNK, DATA, DEV, EXTENT, FILE, FREE_SPACE, FS, Image, LOG, METADATA, MIB, ROOT, corrupt, open,
    seal,
};
use crate::items::{GENERATION, file_extent, root_item, words};

#[track_caller]
fn block(tree: i64, at: u64, fault: BlockFault, change: impl FnOnce(&mut Image)) {
    corrupt(change, &Distrust::TreeBlock { tree, at, fault });
}

#[test]
fn blocks_are_held_against_what_refers_to_them() {
    let at = |number: u64| METADATA + number * 4096;
    for (tree, number) in [(1, 0), (2, 1), (4, 2), (5, 3), (10, 4)] {
        let owner = tree as u64;
        let at = at(number);
        block(tree, at, BlockFault::Filesystem, |image| {
            image.tree(owner).fsid[3] ^= 1;
        });
        block(tree, at, BlockFault::Place, |image| {
            image.tree(owner).at += 4096;
        });
        block(tree, at, BlockFault::Generation, |image| {
            image.tree(owner).generation -= 1;
        });
        block(tree, at, BlockFault::Level, |image| {
            image.tree(owner).level = 1;
        });
        // Subvolumes share blocks.
        if tree != 5 {
            block(tree, at, BlockFault::Owner, |image| {
                image.tree(owner).owner = 6;
            });
        }
        let mut disk = Image::new().write();
        disk[2 * 1_048_576 + number as usize * 4096 + 300] ^= 1;
        let fault = BlockFault::Checksum;
        let why = Distrust::TreeBlock { tree, at, fault };
        assert_eq!(open(disk).trust(), &Trust::Nothing(why));
    }
    let far = METADATA + MIB;
    block(2, far, BlockFault::Unmapped, |image| {
        *image.item(ROOT, (EXTENT, 132, 0)) = root_item(far, GENERATION, 0);
    });
    block(2, at(1), BlockFault::Items, |image| {
        image.tree(EXTENT).items.swap(2, 3);
    });
}

#[test]
fn items_stay_within_their_block() {
    // The first item of the extent tree: its offset and its size.
    for (inside, add) in [(17, 1u32), (17, 0x8000_0000), (21, 1), (21, 0xffff_0000)] {
        let mut disk = Image::new().write();
        let block = &mut disk[2 * 1_048_576 + 4096..][..4096];
        let place = 101 + inside;
        let old = u32::from_le_bytes(block[place..place + 4].try_into().unwrap());
        block[place..place + 4].copy_from_slice(&old.wrapping_add(add).to_le_bytes());
        seal(block);
        let (tree, at, fault) = (2, METADATA + 4096, BlockFault::Items);
        let why = Distrust::TreeBlock { tree, at, fault };
        assert_eq!(open(disk).trust(), &Trust::Nothing(why));
    }
    for count in [0u32, 157, 5000, u32::MAX] {
        let mut disk = Image::new().write();
        let block = &mut disk[2 * 1_048_576..][..4096];
        block[0x60..0x64].copy_from_slice(&count.to_le_bytes());
        seal(block);
        let (tree, at, fault) = (1, METADATA, BlockFault::Items);
        let mut why = Distrust::TreeBlock { tree, at, fault };
        if count == 0 {
            // An empty root tree names nothing.
            why = Distrust::NoTree { tree: 2 };
        }
        assert_eq!(open(disk).trust(), &Trust::Nothing(why));
    }
}

#[test]
fn all_trees_have_to_be_there() {
    for tree in [EXTENT, DEV, FREE_SPACE] {
        let why = Distrust::NoTree { tree: tree as i64 };
        corrupt(|image| image.remove(ROOT, (tree, 132, 0)), &why);
    }
    let why = Distrust::NoTree { tree: 11 };
    corrupt(|image| image.put(0xb4, &words(&[11])), &why);
    let item = |tree, (object, kind, offset): (u64, u8, u64), what| Distrust::Item {
        tree,
        object,
        kind,
        offset,
        what,
    };
    let why = item(1, (2, 132, 0), "a root that is too short");
    corrupt(
        |image| image.item(ROOT, (EXTENT, 132, 0)).truncate(238),
        &why,
    );
    let why = item(3, (1, 216, 1), "there is none");
    corrupt(|image| image.remove(CHUNK, (1, 216, 1)), &why);
}

#[test]
fn trees_may_not_refer_to_what_is_free() {
    let free = DATA + 0x10_0000;
    corrupt(
        |image| *image.item(FS, (257, 108, 0)) = file_extent(free, 4096),
        &Distrust::Reference { tree: 5, at: free },
    );
    corrupt(
        |image| *image.item(FS, (257, 108, 0)) = file_extent(FILE, 16384),
        &Distrust::Reference { tree: 5, at: FILE },
    );
    let block = METADATA + 0x8000;
    corrupt(
        |image| image.insert(ROOT, (256, 132, 0), root_item(block, GENERATION, 0)),
        &Distrust::Reference {
            tree: 256,
            at: block,
        },
    );
    // Only its root is looked at.
    corrupt(
        |image| image.insert(ROOT, (7, 132, 0), root_item(block, GENERATION, 0)),
        &Distrust::Reference { tree: 7, at: block },
    );
    let (object, kind, offset) = (257, 108, 0);
    for (kind_of, length) in [(1, 52), (3, 53)] {
        corrupt(
            |image| {
                let item = image.item(FS, (257, 108, 0));
                item[20] = kind_of;
                item.truncate(length);
            },
            &Distrust::Item {
                tree: 5,
                object,
                kind,
                offset,
                what: "a file extent of no known kind",
            },
        );
    }
}

#[test]
fn a_damaged_log_keeps_everything() {
    let at = METADATA + 0x8_0000;
    let with_log = |change: &dyn Fn(&mut Image), why: &Distrust| {
        let mut image = Image::new();
        image.log();
        image.used();
        change(&mut image);
        image.kept(why, ErrorKind::Corrupt);
    };
    let block = |at, fault| Distrust::TreeBlock {
        tree: -6,
        at,
        fault,
    };
    // The log of a commit that is over.
    with_log(
        &|image| image.tree(LOG).generation = GENERATION,
        &block(at, BlockFault::Generation),
    );
    with_log(
        &|image| image.nodes.last_mut().unwrap().copies.clear(),
        &block(at + 4096, BlockFault::Checksum),
    );
    let (tree, offset) = (-6, 0);
    with_log(
        &|image| image.nodes.last_mut().unwrap().items[0].1 = file_extent(METADATA, 4096),
        &Distrust::Item {
            tree,
            object: 258,
            kind: 108,
            offset,
            what: "its contents are in no chunk",
        },
    );
    with_log(
        &|image| image.rename(LOG, (LOG, 132, 5), (7, 132, 5)),
        &Distrust::Item {
            tree,
            object: 7,
            kind: 132,
            offset: 5,
            what: "it is not a log",
        },
    );
}
