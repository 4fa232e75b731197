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

/// Used runs of stripe `index` of so many, which is at 3 MiB of this disk.
#[track_caller]
fn stripe(image: &Image, flags: u64, turns: u64, count: u64, index: u64) -> Vec<(u64, u64)> {
    let mut image = image.clone();
    let device = |number| {
        if number == index {
            (1, 3 * MIB)
        } else {
            (2 + number, 0)
        }
    };
    let stripes: Vec<_> = (0..count).map(device).collect();
    image.put(0x88, &count.to_le_bytes());
    image.lay_out(flags, turns, &stripes);
    let runs = data(&image).into_iter();
    runs.map(|run| (run.0 - 3 * MIB, run.1 - 3 * MIB)).collect()
}

#[test]
fn copies_hold_the_same() {
    for (flags, count) in [(16, 2), (512, 3), (1024, 4)] {
        for index in 0..count {
            let runs = stripe(&Image::new(), flags, 1, count, index);
            assert_eq!(runs, [(0x1_0000, 0x1_3000)], "{flags}");
        }
    }
    // Those of DUP are on one device.
    let mut image = Image::new();
    image.lay_out(32, 1, &[(1, 3 * MIB), (1, 5 * MIB)]);
    let run = |start| (start + 0x1_0000, start + 0x1_3000);
    assert_eq!(data(&image), [run(3 * MIB), run(5 * MIB)]);
    // A chunk on another device has nothing here.
    image.lay_out(0, 1, &[(2, 0)]);
    assert_eq!(data(&image), []);
}

#[test]
fn stripes_take_turns() {
    // 60 KiB of the first piece, all of the second, 8 KiB of the third.
    let image = with_file(0x1000, 2 * KIB_64 + 0x2000);
    assert_eq!(stripe(&image, 8, 2, 2, 0), [(0x1000, KIB_64 + 0x2000)]);
    assert_eq!(stripe(&image, 8, 2, 2, 1), [(0, KIB_64)]);
    assert_eq!(stripe(&image, 8, 4, 4, 0), [(0x1000, KIB_64)]);
    assert_eq!(stripe(&image, 8, 4, 4, 2), [(0, 0x2000)]);
    assert_eq!(stripe(&image, 8, 4, 4, 3), []);
    assert_eq!(stripe(&image, 8, 1, 1, 0), [(0x1000, 2 * KIB_64 + 0x2000)]);
    // The last bytes of the chunk.
    let image = with_file(2 * MIB - 0x1000, 2 * MIB);
    assert_eq!(stripe(&image, 8, 2, 2, 0), []);
    assert_eq!(stripe(&image, 8, 2, 2, 1), [(MIB - 0x1000, MIB)]);
    let image = with_file(0, 2 * MIB);
    assert_eq!(stripe(&image, 8, 2, 2, 1), [(0, MIB)]);
}

#[test]
fn pairs_take_turns() {
    let image = with_file(KIB_64 - 0x1000, KIB_64 + 0x2000);
    for index in 0..4 {
        let want = [(KIB_64 - 0x1000, KIB_64), (0, 0x2000)][index / 2];
        assert_eq!(stripe(&image, 64, 2, 4, index as u64), [want]);
    }
}

#[test]
fn a_row_with_parity_is_used_whole() {
    // Rows of two pieces of data and one of parity; the sixth piece is in the third row.
    let image = with_file(5 * KIB_64 + 0x1000, 5 * KIB_64 + 0x2000);
    for index in 0..3 {
        let row = [(2 * KIB_64, 3 * KIB_64)];
        assert_eq!(stripe(&image, 128, 2, 3, index), row);
    }
    let image = with_file(2 * KIB_64 - 0x1000, 2 * KIB_64 + 0x1000);
    for index in 0..4 {
        assert_eq!(stripe(&image, 256, 2, 4, index), [(0, 2 * KIB_64)]);
    }
    let image = with_file(0, 2 * MIB);
    assert_eq!(stripe(&image, 128, 2, 3, 2), [(0, MIB)]);
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
