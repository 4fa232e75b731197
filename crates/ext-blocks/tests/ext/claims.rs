//! What else claims the disk of a filesystem, as the caller says. What does is looked for
//! by `disk-layout`, and tested there.

use crate::image::{Image, SB, base, distrusted, open, sound, with};
use ext_blocks::{Distrust, Options, OtherClaim, Sought, Trust, find};

/// Something else that may be on the disk.
pub(crate) const CLAIM: OtherClaim = OtherClaim::Disk {
    by: "another format",
    at: 0x1234,
};

fn options(claim: OtherClaim) -> Options<'static> {
    with(|options| options.other_claim = Some(claim))
}

#[test]
fn whatever_else_claims_the_disk_makes_it_ambiguous() {
    let image = base();
    sound(&image);
    let want = Distrust::Ambiguous {
        claim: "another format",
        at: 0x1234,
    };
    distrusted(&image, &options(CLAIM), want);
    let filesystem = open(&image, &options(CLAIM));
    assert_eq!(filesystem.volume().unwrap_err(), &want);
}

#[test]
fn hashes_over_free_blocks_keep_them() {
    let covered = options(OtherClaim::FreeBlocks {
        by: "hashes",
        at: 173_056,
    });
    let want = Distrust::FreeBlocksCovered {
        claim: "hashes",
        at: 173_056,
    };
    let image = base();
    distrusted(&image, &covered, want);
    // What is metadata is known all the same.
    assert!(open(&image, &covered).volume().is_ok());
}

#[test]
fn a_superblock_that_is_not_believed_says_so_first() {
    let mut image = base();
    image.u32(SB + 0x60, 1 << 30);
    let trust = *open(&image, &Options::default()).trust();
    assert!(matches!(
        trust,
        Trust::Nothing(Distrust::UnknownFeatures { .. })
    ));
    assert_eq!(*open(&image, &options(CLAIM)).trust(), trust);
}

/// What [`find`] says of `image`: whether it is believed, and its length.
fn found(image: &Image) -> (bool, Option<u64>) {
    match find(image, None).unwrap() {
        Sought::Ext(candidate) => (candidate.is_believed(), candidate.filesystem_bytes()),
        Sought::Nothing { backup } => panic!("{backup:?}"),
    }
}

#[test]
fn what_was_found_says_where_the_filesystem_ends() {
    let mut image = base();
    image.bytes.resize(1 << 20, 0);
    assert_eq!(found(&image), (true, Some(169 * 1024)));
    image.u32(SB + 0x60, 1 << 30);
    assert_eq!(found(&image), (false, None));
    // A journal device has no length, and is believed.
    image.u32(SB + 0x60, 8);
    assert_eq!(found(&image), (true, None));
}
