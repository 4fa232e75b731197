//! What is kept whatever is free: features that are not known, a realtime section; and
//! metadata alone.

use blockio::ExtentKind;
use xfs_blocks::{Distrust, Finding, Keep, Options, Tail};

use crate::image::{AG_BLOCKS, BLOCK, BLOCKS, Image, extents, free};
use crate::survey::{all, distrusts};

#[test]
fn metadata_is_everything_but_contents_of_files() {
    for image in [Image::new(), Image::with_rmap(), Image::version4()] {
        let mut options = Options::default();
        options.keep = Keep::Metadata;
        let filesystem = image.open_with(&options);
        let used = extents(&filesystem).into_iter();
        let used = used.filter(|extent| extent.kind == ExtentKind::Data);
        let used: Vec<_> = used
            .map(|extent| {
                (
                    extent.start as usize / BLOCK,
                    extent.length as usize / BLOCK,
                )
            })
            .collect();
        let rmap = usize::from(image.has_rmap);
        let inodes = if image.has_crc { 64 } else { 32 };
        // Headers and trees, without the AGFLs, whose blocks hold nothing.
        let mut want = vec![(0, 7 + rmap), (12, inodes), (76, 1)];
        if image.has_crc {
            want = vec![(0, 7 + rmap), (12, 65)];
        }
        want.push((AG_BLOCKS, 11));
        if image.has_rmap {
            want.push((AG_BLOCKS + 15, 1));
        }
        want.push((AG_BLOCKS + 20, 64));
        want.push((2 * AG_BLOCKS, 7 + rmap));
        assert_eq!(used, want);
    }
}

#[test]
fn what_is_not_known_keeps_everything() {
    let fields: [(usize, u32, Distrust); 6] = [
        (
            208,
            1,
            Distrust::Unsupported {
                field: "sb_features_compat",
                bits: 1,
            },
        ),
        (
            212,
            1 << 4,
            Distrust::Unsupported {
                field: "sb_features_ro_compat",
                bits: 1 << 4,
            },
        ),
        (
            216,
            1 << 11 | 3,
            Distrust::Unsupported {
                field: "sb_features_incompat",
                bits: 1 << 11,
            },
        ),
        (
            220,
            2,
            Distrust::Unsupported {
                field: "sb_features_log_incompat",
                bits: 2,
            },
        ),
        (216, 1 << 4, Distrust::NeedsRepair),
        (52, 0, Distrust::ExternalLog),
    ];
    for (offset, value, why) in fields {
        let mut image = Image::new();
        image.put32(offset, value);
        distrusts(&mut image, &why);
    }
}

#[test]
fn a_realtime_section_is_kept() {
    let mut image = Image::new();
    let end = image.bytes.len();
    image.bytes.extend([9; 4096]);
    // With the tree of metadata, and a section that follows the groups.
    image.put32(216, 3 | 1 << 8 | 1 << 9);
    image.put64(16, 8);
    image.put64(288, BLOCKS as u64);
    image.stamp();
    let mut options = Options::default();
    options.tail = Tail::Drop;
    let filesystem = image.open_with(&options);
    assert_eq!(free(&filesystem), all());
    let start = end as u64;
    assert_eq!(
        filesystem.damage().findings(),
        [Finding::Realtime { start }]
    );
}
