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
        let group = AG_BLOCKS;
        // Headers and trees, without the AGFLs, whose blocks hold nothing.
        let want: &[(usize, usize)] = match (image.has_crc, image.has_rmap) {
            (true, true) => &[
                (0, 8),
                (12, 65),
                (88, 2),
                (group, 11),
                (group + 15, 3),
                (group + 20, 64),
                (2 * group, 10),
            ],
            (true, false) => &[
                (0, 7),
                (12, 65),
                (88, 2),
                (group, 11),
                (group + 16, 2),
                (group + 20, 64),
                (2 * group, 7),
                (2 * group + 8, 2),
            ],
            (false, _) => &[
                (0, 7),
                (12, 32),
                (76, 1),
                (group, 11),
                (group + 20, 64),
                (2 * group, 7),
            ],
        };
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
    // One that does not fit, or that lies in the groups, is none.
    let (bytes, disk_bytes) = (start + 9 * 512, start + 4096);
    image.put64(16, 9);
    distrusts(&mut image, &Distrust::Cut { bytes, disk_bytes });
    let (field, found) = ("sb_rtstart", BLOCKS as u64 - 1);
    image.put64(288, found);
    distrusts(&mut image, &Distrust::Field { field, found });
}
