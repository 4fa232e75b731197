//! Every field of a superblock that must have one value.

use xfs_blocks::{Distrust, Trust};

use crate::image::Image;

#[test]
fn superblocks_that_contradict_themselves_are_not_believed() {
    let cases: [(&str, usize, usize, u64); 22] = [
        ("sb_blocksize", 4, 4, 256),
        ("sb_blocksize", 4, 4, 513),
        ("sb_blocksize", 4, 4, 1 << 17),
        ("sb_blocklog", 120, 1, 10),
        ("sb_sectlog", 121, 1, 10),
        ("sb_inodesize", 104, 2, 128),
        ("sb_inodesize", 104, 2, 1024),
        ("sb_inodelog", 122, 1, 8),
        ("sb_inopblog", 123, 1, 1),
        ("sb_inopblock", 106, 2, 2),
        ("sb_dirblklog", 192, 1, 8),
        ("sb_agblocks", 84, 4, 63),
        ("sb_agblocks", 84, 4, u32::MAX as u64),
        ("sb_agblklog", 124, 1, 9),
        ("sb_agcount", 88, 4, 0),
        ("sb_dblocks", 8, 8, 601),
        ("sb_dblocks", 8, 8, 463),
        ("sb_dblocks", 8, 8, u64::MAX),
        ("sb_logstart", 48, 8, 3 << 8),
        ("sb_logstart", 48, 8, u64::MAX),
        ("sb_logblocks", 96, 4, 181),
        ("sb_inprogress", 126, 1, 1),
    ];
    assert!(!Image::new().free().is_empty());
    for (field, offset, width, found) in cases {
        let mut image = Image::new();
        let value = found.to_be_bytes();
        image.put(offset, &value[8 - width..]);
        // The inode size has a logarithm that is looked at after it.
        if found == 1024 {
            image.put(122, &[10]);
        }
        image.stamp();
        let filesystem = image.open();
        let why = Distrust::Field { field, found };
        assert_eq!(filesystem.trust(), Trust::Nothing(&why), "{field} {found}");
        assert!(crate::image::free(&filesystem).is_empty());
    }
}

#[test]
fn too_many_groups_are_not_looked_at() {
    let mut image = Image::new();
    image.put32(88, u32::MAX);
    image.stamp();
    let why = Distrust::TooManyGroups { found: u32::MAX };
    assert_eq!(image.open().trust(), Trust::Nothing(&why));
}
