//! Chunks whose bytes are on more than one stripe.

use btrfs_blocks::{Distrust, ErrorKind};

use crate::image::{DATA, EXTENT, FILE, FREE_SPACE, FS, Image, METADATA, MIB};
use crate::items::{file_extent, group, info};

const KIB_64: u64 = 65536;

/// Used runs from 3 MiB on, where only data is.
#[track_caller]
fn data(image: &Image) -> Vec<(u64, u64)> {
    let mut used = image.used();
    used.retain(|run| run.0 >= 3 * MIB);
    used
}

/// A filesystem whose only file has the bytes `start..end` of the data chunk.
fn with_file(start: u64, end: u64) -> Image {
    let mut image = Image::new();
    image.rename(EXTENT, (FILE, 168, 12288), (DATA + start, 168, end - start));
    *image.item(FS, (257, 108, 0)) = file_extent(DATA + start, end - start);
    *image.item(EXTENT, (DATA, 192, 2 * MIB)) = group(end - start, 1);
    image.put(0x78, &(6 * 4096 + end - start).to_le_bytes());
    let free = &mut image.tree(FREE_SPACE).items;
    free.retain(|item| item.0.0 < DATA);
    let mut runs = vec![(0, start), (end, 2 * MIB)];
    runs.retain(|run| run.0 < run.1);
    free.push(((DATA, 198, 2 * MIB), info(runs.len() as u32, 0)));
    for (from, to) in runs {
        free.push(((DATA + from, 199, to - from), vec![]));
    }
    image
}

fn at(start: u64, from: u64, to: u64) -> (u64, u64) {
    (start + from, start + to)
}

#[test]
fn copies_hold_the_same() {
    let (one, other) = (3 * MIB, 5 * MIB);
    for (flags, stripes) in [
        (32, &[(1, one), (1, other)][..]),
        (16, &[(1, one), (1, other)]),
        (512, &[(1, one), (2, 0), (1, other)]),
        (1024, &[(3, 0), (1, other), (2, 0), (1, one)]),
    ] {
        let mut image = Image::new();
        image.lay_out(flags, 1, stripes);
        let runs = [at(one, 0x1_0000, 0x1_3000), at(other, 0x1_0000, 0x1_3000)];
        assert_eq!(data(&image), runs, "{flags}");
    }
}

#[test]
fn of_several_devices_only_this_one_counts() {
    let mut image = Image::new();
    image.put(0x88, &2u64.to_le_bytes());
    image.lay_out(16, 1, &[(2, 0), (1, 3 * MIB)]);
    assert_eq!(data(&image), [at(3 * MIB, 0x1_0000, 0x1_3000)]);
    image.lay_out(0, 1, &[(2, 0)]);
    assert_eq!(data(&image), []);
}

#[test]
fn stripes_take_turns() {
    // 60 KiB of the first stripe, all of the second, 8 KiB of the third.
    let mut image = with_file(0x1000, 2 * KIB_64 + 0x2000);
    image.lay_out(8, 2, &[(1, 3 * MIB), (1, 5 * MIB)]);
    let third = at(3 * MIB, 0x1000, KIB_64 + 0x2000);
    assert_eq!(data(&image), [third, at(5 * MIB, 0, KIB_64)]);
    image.lay_out(8, 2, &[(2, 3 * MIB), (1, 5 * MIB)]);
    assert_eq!(data(&image), [at(5 * MIB, 0, KIB_64)]);
    image.lay_out(8, 4, &[(1, 3 * MIB), (2, 0), (1, 5 * MIB), (3, 0)]);
    let runs = [at(3 * MIB, 0x1000, KIB_64), at(5 * MIB, 0, 0x2000)];
    assert_eq!(data(&image), runs);
    // The last bytes of the chunk.
    let mut image = with_file(2 * MIB - 0x1000, 2 * MIB);
    image.lay_out(8, 2, &[(1, 3 * MIB), (1, 5 * MIB)]);
    assert_eq!(data(&image), [at(5 * MIB, MIB - 0x1000, MIB)]);
    // All of it.
    let mut image = with_file(0, 2 * MIB);
    image.lay_out(8, 1, &[(1, 4 * MIB)]);
    assert_eq!(data(&image), [at(4 * MIB, 0, 2 * MIB)]);
}

#[test]
fn pairs_take_turns() {
    let mut image = with_file(KIB_64 - 0x1000, KIB_64 + 0x2000);
    let all = [(1, 3 * MIB), (2, 0), (1, 5 * MIB), (1, 7 * MIB + 4096)];
    // The fourth is not aligned to 64 KiB on the disk, which does not matter.
    image.lay_out(64, 2, &all[..]);
    let mut image_of_all = image.clone();
    image_of_all.lay_out(64, 2, &[(1, 3 * MIB), (2, 0), (1, 4 * MIB), (1, 5 * MIB)]);
    assert_eq!(
        data(&image_of_all),
        [
            at(3 * MIB, KIB_64 - 0x1000, KIB_64),
            at(4 * MIB, 0, 0x2000),
            at(5 * MIB, 0, 0x2000),
        ]
    );
    // One that passes the end of the device is none.
    image.kept(
        &Distrust::DeviceExtent {
            at: 7 * MIB + 4096 + MIB - MIB,
        },
        ErrorKind::Corrupt,
    );
}

#[test]
fn a_row_with_parity_is_used_whole() {
    // Rows of three stripes: two of data, one of parity, which moves on.
    let stripes = [(1, 3 * MIB), (1, 5 * MIB), (2, 0)];
    let mut image = with_file(5 * KIB_64 + 0x1000, 5 * KIB_64 + 0x2000);
    image.lay_out(128, 2, &stripes);
    let row = |start| at(start, 2 * KIB_64, 3 * KIB_64);
    assert_eq!(data(&image), [row(3 * MIB), row(5 * MIB)]);
    // Of rows in which nothing is used, nothing is.
    let mut image = with_file(2 * KIB_64 - 0x1000, 2 * KIB_64 + 0x1000);
    image.lay_out(256, 2, &[(1, 3 * MIB), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(data(&image), [at(3 * MIB, 0, 2 * KIB_64)]);
    let mut image = with_file(0, 2 * MIB);
    image.lay_out(128, 2, &stripes);
    assert_eq!(data(&image), [at(3 * MIB, 0, MIB), at(5 * MIB, 0, MIB)]);
}

#[test]
fn trees_are_read_from_all_layouts() {
    let moved = |flags: u64, turns, stripes: &[(u64, u64)], place: fn(u64) -> u64| {
        let mut image = Image::new();
        let length = MIB;
        image.lay_out_chunk(METADATA, length, 4 | flags, turns, stripes);
        for node in image.nodes.iter_mut().filter(|node| node.at >= METADATA) {
            node.copies = vec![place(node.at - METADATA)];
        }
        image
    };
    // All trees are in the first stripe, which is the second one on this disk.
    let image = moved(8, 2, &[(1, 7 * MIB), (2, 0)], |at| 7 * MIB + at);
    assert_eq!(image.used().last(), Some(&(7 * MIB, 7 * MIB + 5 * 4096)));
    let image = moved(64, 1, &[(2, 0), (1, 3 * MIB)], |at| 3 * MIB + at);
    assert_eq!(image.used()[1], (3 * MIB, 3 * MIB + 5 * 4096));
    let image = moved(128, 2, &[(1, 3 * MIB), (2, 0), (3, 0)], |at| 3 * MIB + at);
    assert_eq!(image.used()[1], (3 * MIB, 3 * MIB + 65536));
    // They are on the other device.
    let image = moved(8, 2, &[(2, 0), (1, 3 * MIB)], |at| 3 * MIB + at);
    let why = Distrust::Elsewhere {
        tree: 1,
        at: METADATA,
    };
    image.kept(&why, ErrorKind::Incomplete);
}
