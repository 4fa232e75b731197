use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use blockio::ExtentKind;
use ext_format::geometry::Geometry;
use ext_format::superblock::read_superblock;
use fixtures::{E2fs, SplitMix};

use crate::{Detected, Options, detect};

use super::*;

/// Small filesystems of every sort of map, table and checksum.
const SORTS: [&[&str]; 7] = [
    &["-t", "ext2", "-b", "1024"],
    &["-t", "ext3", "-b", "1024", "-N", "512"],
    &["-t", "ext4", "-b", "1024"],
    &["-t", "ext4", "-b", "4096"],
    &[
        "-t",
        "ext4",
        "-b",
        "1024",
        "-O",
        "^metadata_csum,uninit_bg,^flex_bg,^resize_inode,meta_bg",
    ],
    &[
        "-t",
        "ext4",
        "-b",
        "2048",
        "-O",
        "^metadata_csum,^uninit_bg,quota,inline_data,mmp",
    ],
    &[
        "-t",
        "ext4",
        "-b",
        "1024",
        "-I",
        "256",
        "-O",
        "ea_inode,orphan_file,project,quota",
    ],
];

/// Files, directories with many names, and links.
fn write_tree(folder: &Path) {
    let mut random = SplitMix::new(4);
    for length in [0usize, 10, 1024, 13 * 1024, 300 * 1024, 1 << 20] {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        fs::write(folder.join(length.to_string()), bytes).unwrap();
    }
    let names = folder.join("names");
    fs::create_dir(&names).unwrap();
    for n in 0..300 {
        fs::write(
            names.join(format!("a rather long name, number {n:0100}")),
            b"",
        )
        .unwrap();
    }
    symlink("short", folder.join("short link")).unwrap();
    symlink("long/".repeat(50), folder.join("long link")).unwrap();
}

/// What the superblock and the descriptors place.
fn placed(disk: &[u8], layout: &Layout, reserved: &Reserved) -> Vec<BlockRun> {
    let geometry = &layout.geometry;
    let mut groups = GroupReader::new(disk, layout);
    let mmp = reserved.mmp_block.map(|block| BlockRun::new(block, 1));
    let mut runs: Vec<_> = mmp.into_iter().collect();
    for group in 0..geometry.group_count() {
        runs.push(geometry.base_metadata(group));
        runs.extend(groups.descriptor(group).unwrap().metadata(geometry));
    }
    runs
}

fn blocks(runs: impl IntoIterator<Item = BlockRun>) -> BTreeSet<u64> {
    runs.into_iter()
        .flat_map(|run| run.start..run.end)
        .collect()
}

#[test]
fn the_bitmaps_have_what_is_placed_and_what_inodes_refer_to() {
    let Some(e2fs) = E2fs::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (tree, image) = (folder.path().join("tree"), folder.path().join("image"));
    fs::create_dir(&tree).unwrap();
    write_tree(&tree);
    for options in SORTS {
        fs::write(&image, b"").unwrap();
        let from = ["-d", tree.to_str().unwrap()];
        e2fs.make(&image, 24 << 20, &[options, &from].concat())
            .unwrap();
        let disk = fs::read(&image).unwrap();
        let (sb, _) = read_superblock(disk.as_slice()).unwrap().unwrap();
        let geometry = Geometry::new(&sb, 24 << 20).unwrap();
        let layout = Layout::new(&sb, geometry, false);
        let reserved = Reserved::new(&sb);

        let Ok(Detected::Ext(filesystem)) = detect(disk.as_slice(), &Options::default()) else {
            panic!("{options:?}: no filesystem")
        };
        let block_bytes = layout.geometry.block_bytes();
        let used = filesystem.used_extents().map(Result::unwrap);
        let used = used.filter(|extent| extent.kind != ExtentKind::Free);
        let mut used = blocks(used.map(|extent| BlockRun {
            start: extent.start / block_bytes,
            end: extent.end() / block_bytes,
        }));
        if block_bytes == 1024 {
            // The boot block.
            used.remove(&0);
        }
        for scan in [Scan::Held, Scan::Whole] {
            let inodes = used_by_inodes(disk.as_slice(), &layout, &reserved, scan).unwrap();
            let mut expected = blocks(placed(&disk, &layout, &reserved));
            expected.extend(blocks(inodes));
            let missing: Vec<_> = used.symmetric_difference(&expected).collect();
            assert_eq!(missing, Vec::<&u64>::new(), "{options:?} {scan:?}");
        }
    }
}
