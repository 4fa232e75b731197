//! What keeps everything: for each rule that proves a byte free, one that breaks it.

use btrfs_blocks::Distrust;

use crate::image::{
    CHUNK, DATA, DEV, EXTENT, FILE, FREE_SPACE, Image, METADATA, MIB, SYSTEM, corrupt,
};
use crate::items::{chunk, dev_extent, device, group, info, words};

#[track_caller]
fn bad_chunk(what: &'static str, bytes: Vec<u8>) {
    let why = Distrust::Chunk { start: DATA, what };
    corrupt(|image| *image.item(CHUNK, (256, 228, DATA)) = bytes, &why);
}

#[test]
fn chunks_are_checked() {
    let own = (1, 4 * MIB);
    bad_chunk(
        "it has no stripes, or they are cut off",
        chunk(2 * MIB, 1, &[]),
    );
    let mut cut = chunk(2 * MIB, 1, &[own]);
    cut.pop();
    bad_chunk("it has no stripes, or they are cut off", cut);
    let mut stripes = chunk(2 * MIB, 1, &[own]);
    stripes[16] = 1;
    bad_chunk("its stripes are not of 64 KiB", stripes);
    for (flags, stripes) in [
        (0, 2),
        (16, 1),
        (32, 3),
        (512, 2),
        (1024, 3),
        (128, 1),
        (256, 2),
    ] {
        let stripes = vec![own; stripes];
        let bytes = chunk(2 * MIB, 1 | flags, &stripes);
        bad_chunk("it has too few or too many stripes", bytes);
    }
    let odd = chunk(2 * MIB, 1 | 64, &[own, own, own]);
    bad_chunk("it has too few or too many stripes", odd);
    for flags in [1 | 2048, 1 | 16 | 32, 1 | 1 << 63] {
        let bytes = chunk(2 * MIB, flags, &[own, own]);
        bad_chunk("how it is laid out is not known", bytes);
    }
    for flags in [0, 3, 5, 6] {
        bad_chunk("what it holds is not known", chunk(2 * MIB, flags, &[own]));
    }
    for length in [0, 4095, 2 * MIB + 1, u64::MAX - 4095] {
        let what = "it has no length, or is not of whole sectors";
        bad_chunk(what, chunk(length, 1, &[own]));
    }
    let rows = chunk(2 * MIB - 4096, 1 | 8, &[own, (2, 0)]);
    bad_chunk("it is not of whole rows of stripes", rows);
    for flags in [8, 16, 128] {
        let bytes = chunk(2 * MIB, 1 | flags, &[own, own]);
        bad_chunk("more than one stripe is on this device", bytes);
    }
    let far = chunk(2 * MIB, 1, &[(1, u64::MAX - 4095)]);
    bad_chunk("a stripe passes the end of its device", far);
}

#[test]
fn chunks_are_held_against_each_other() {
    let own = (1, 4 * MIB);
    let near = chunk(2 * MIB, 1, &[(1, 6 * MIB + 4096)]);
    bad_chunk("a stripe passes the end of its device", near);
    let mut other = chunk(2 * MIB, 1, &[own]);
    other[64] ^= 1;
    let what = "a stripe is on a device with this one's number and another UUID";
    bad_chunk(what, other);
    let start = SYSTEM;
    let what = "superblock and chunk tree differ about it";
    let key = (256, 228, SYSTEM);
    let why = Distrust::Chunk { start, what };
    corrupt(
        |image| *image.item(CHUNK, key) = chunk(MIB, 2, &[(1, MIB + 4096)]),
        &why,
    );
    corrupt(|image| image.remove(CHUNK, key), &why);
    corrupt(
        |image| {
            image.insert(
                CHUNK,
                (256, 228, DATA - 4096),
                chunk(MIB, 1, &[(1, 7 * MIB)]),
            );
        },
        &Distrust::Chunk {
            start: DATA,
            what: "it overlaps another one",
        },
    );
}

#[test]
fn the_device_tree_has_to_agree() {
    let differ = |at| Distrust::DeviceExtent { at };
    let key = (1, 204, 4 * MIB);
    corrupt(|image| image.remove(DEV, key), &differ(4 * MIB));
    corrupt(
        |image| image.rename(DEV, key, (1, 204, 5 * MIB)),
        &differ(5 * MIB),
    );
    corrupt(
        |image| *image.item(DEV, key) = dev_extent(DATA, MIB),
        &differ(4 * MIB),
    );
    corrupt(
        |image| *image.item(DEV, key) = dev_extent(METADATA, 2 * MIB),
        &differ(4 * MIB),
    );
    corrupt(
        |image| image.insert(DEV, (1, 204, 7 * MIB), dev_extent(DATA, MIB)),
        &differ(7 * MIB),
    );
    // Two stripes over each other.
    corrupt(
        |image| image.lay_out(32, 1, &[(1, 4 * MIB), (1, 5 * MIB)]),
        &differ(5 * MIB),
    );
    let sum = |sum, stored| Distrust::Sum {
        sum,
        stored,
        computed: 4 << 20,
    };
    corrupt(
        |image| image.put(0xc9, &device(8 << 20, 4096)),
        &sum("dev_item.bytes_used", 4096),
    );
    corrupt(
        |image| *image.item(CHUNK, (1, 216, 1)) = device(8 << 20, 8192),
        &sum("bytes_used of the device", 8192),
    );
}

#[test]
fn block_groups_have_to_agree() {
    let differ = |start| Distrust::BlockGroup { start };
    corrupt(
        |image| image.remove(EXTENT, (DATA, 192, 2 * MIB)),
        &differ(DATA),
    );
    corrupt(
        |image| image.rename(EXTENT, (DATA, 192, 2 * MIB), (DATA, 192, MIB)),
        &differ(DATA),
    );
    corrupt(
        |image| *image.item(EXTENT, (DATA, 192, 2 * MIB)) = group(12288, 4),
        &differ(DATA),
    );
    corrupt(
        |image| image.insert(EXTENT, (DATA + 2 * MIB, 192, MIB), group(0, 1)),
        &differ(DATA + 2 * MIB),
    );
    corrupt(
        |image| *image.item(EXTENT, (DATA, 192, 2 * MIB)) = group(8192, 1),
        &Distrust::GroupSum {
            start: DATA,
            stored: 8192,
            computed: 12288,
        },
    );
    corrupt(
        |image| image.put(0x78, &words(&[10 * 4096])),
        &Distrust::Sum {
            sum: "bytes_used of the superblock",
            stored: 40960,
            computed: 36864,
        },
    );
}

#[track_caller]
fn bad_extent(key: (u64, u8, u64), what: &'static str, change: impl FnOnce(&mut Image)) {
    let (object, kind, offset) = key;
    let why = Distrust::Item {
        tree: 2,
        object,
        kind,
        offset,
        what,
    };
    corrupt(change, &why);
}

#[test]
fn extents_are_checked() {
    let key = (FILE, 168, 12288);
    let rename = |to| move |image: &mut Image| image.rename(EXTENT, key, to);
    let sectors = "it is not of whole sectors";
    for to in [(FILE, 168, 0), (FILE, 168, 12289), (FILE + 1, 168, 12288)] {
        bad_extent(to, sectors, rename(to));
    }
    let to = (u64::MAX - 4095, 168, 8192);
    bad_extent(to, sectors, rename(to));
    for to in [
        (DATA + 2 * MIB - 4096, 168, 12288),
        (0x500_0000, 168, 12288),
    ] {
        bad_extent(to, "it is in no chunk", rename(to));
    }
    let to = (METADATA + 0x8000, 168, 12288);
    bad_extent(to, "its chunk is for something else", rename(to));
    bad_extent(key, "it is too short", |image| {
        image.item(EXTENT, key).truncate(23);
    });
    for flags in [0, 2, 3] {
        bad_extent(key, "what it holds is not known", |image| {
            image.item(EXTENT, key)[16] = flags;
        });
    }
    let inside = (FILE + 4096, 168, 4096);
    bad_extent(inside, "it overlaps the one before", |image| {
        image.insert(EXTENT, inside, crate::items::extent(false));
    });
}

#[test]
fn the_free_space_tree_has_to_agree() {
    let differ = |at| Distrust::FreeSpace { at };
    let end = FILE + 12288;
    let last = (end, 199, DATA + 2 * MIB - end);
    corrupt(|image| image.remove(FREE_SPACE, last), &differ(DATA));
    corrupt(
        |image| {
            image.remove(FREE_SPACE, last);
            *image.item(FREE_SPACE, (DATA, 198, 2 * MIB)) = info(1, 0);
        },
        &differ(end),
    );
    // A byte more, a byte less, another place.
    corrupt(
        |image| image.rename(FREE_SPACE, (DATA, 199, 0x1_0000), (DATA, 199, 0xf000)),
        &differ(DATA + 0xf000),
    );
    corrupt(
        |image| image.rename(FREE_SPACE, (DATA, 199, 0x1_0000), (DATA, 199, 0x1_1000)),
        &differ(FILE),
    );
    corrupt(
        |image| image.rename(FREE_SPACE, last, (end + 4096, 199, last.2 - 4096)),
        &differ(end),
    );
    // A record of a group that is not one.
    corrupt(
        |image| image.insert(FREE_SPACE, (DATA + 2 * MIB - 4096, 198, 8192), info(0, 0)),
        &Distrust::Item {
            tree: 10,
            object: DATA + 2 * MIB - 4096,
            kind: 198,
            offset: 8192,
            what: "it overlaps the one before",
        },
    );
    corrupt(
        |image| image.remove(FREE_SPACE, (SYSTEM, 198, MIB)),
        &Distrust::Item {
            tree: 10,
            object: SYSTEM + 4096,
            kind: 199,
            offset: MIB - 4096,
            what: "it is of no group",
        },
    );
    corrupt(
        |image| image.rename(FREE_SPACE, (DATA, 198, 2 * MIB), (DATA, 198, MIB)),
        &differ(DATA),
    );
}
