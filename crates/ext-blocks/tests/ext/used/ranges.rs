//! The extents of a part of a disk.

use std::ops::Range;

use blockio::{BoxError, Extent, ReadAt, Tiling, clip};
use ext_blocks::discardable::Discardable;
use ext_blocks::{Detected, Options, Tail, Trust, detect};
use proptest::prelude::*;

use crate::image::{GDT_CSUM, Image, METADATA_CSUM, SB, answer, base, base_with, open, with};
use crate::log::writer::{Log, V3};
use crate::metadata::{EXTENTS, FILE, i_block, make, node};

/// Filesystems that were left in many ways, each with bytes after its end.
fn disks() -> Vec<Image> {
    let mut uninit = base_with(GDT_CSUM, 32);
    for (group, unused) in [(1, 8), (2, 16)] {
        uninit.u16(uninit.descriptor(group) + 0x1c, unused);
    }
    uninit.seal();
    let mut unclean = base();
    unclean.u16(SB + 0x3a, 0);
    let mut log = Log::new(V3, false);
    log.allocate();
    let mut disks = [
        base(),
        base_with(METADATA_CSUM, 64),
        uninit,
        unclean,
        log.image,
        unwritten(),
    ];
    for image in &mut disks {
        image.bytes.resize(172 * 1024 + 100, 0xaa);
    }
    disks.into()
}

/// Inode 12 has the blocks 40 to 49, which were never written, and 50 to 54.
fn unwritten() -> Image {
    let mut image = base();
    make(&mut image, 12, FILE, EXTENTS);
    let extents: [[u32; 3]; 2] = [[0, 0x800a, 40], [10, 5, 50]];
    node(&mut image, i_block(12), 4, 0, &extents);
    for bit in 39..54 {
        image.bit(3, bit, true);
    }
    image.free(0, 57 - 15);
    image
}

fn all(extents: blockio::Extents<'_>) -> Vec<Extent> {
    extents.collect::<Result<_, BoxError>>().unwrap()
}

/// Asserts that the extents of `range` are those of the disk that lie in it.
#[track_caller]
pub(crate) fn agrees(tiling: &impl Tiling, size: u64, range: Range<u64>) {
    let whole = all(tiling.extents(0..size));
    assert!(blockio::tiles(whole.iter().copied(), size));
    let want = all(clip(
        whole.into_iter().map(Ok::<_, BoxError>),
        range.clone(),
    ));
    assert_eq!(all(tiling.extents(range.clone())), want, "{range:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn extents_of_a_range_are_those_of_the_disk_in_it(
        ends: (prop::sample::Index, prop::sample::Index),
        in_blocks: bool,
        drop_tail: bool,
    ) {
        for image in disks() {
            let size = image.size();
            let places = usize::try_from(size).unwrap() + 1;
            let place = |index: &prop::sample::Index| {
                let at = u64::try_from(index.index(places)).unwrap();
                if in_blocks { at / 1024 * 1024 } else { at }
            };
            let (start, end) = (place(&ends.0), place(&ends.1));
            let range = start.min(end)..start.max(end);
            let tail = if drop_tail { Tail::Drop } else { Tail::Keep };
            let options = with(|options| options.tail = tail);
            let mut filesystem = open(&image, &options);
            prop_assert_eq!(filesystem.trust(), &Trust::Bitmaps);
            agrees(&filesystem, size, range.clone());
            let mut metadata = answer(filesystem.metadata()).unwrap();
            agrees(&metadata, size, range.clone());
            if let Ok(discarded) = answer(filesystem.discardable(Discardable::ALL)) {
                metadata.leave_out(&discarded);
                filesystem.leave_out(discarded).unwrap();
                agrees(&filesystem, size, range.clone());
                agrees(&metadata, size, range.clone());
            }
        }
    }
}

#[test]
fn a_filesystem_owns_its_disk_or_borrows_it() {
    let image = base();
    let options = Options::default();
    let by_box: Box<dyn ReadAt> = Box::new(image.clone());
    let Ok(Detected::Ext(boxed)) = detect(by_box, &options) else {
        panic!("no filesystem")
    };
    let by_ref: &dyn ReadAt = &image;
    let Ok(Detected::Ext(borrowed)) = detect(by_ref, &options) else {
        panic!("no filesystem")
    };
    let Ok(Detected::Ext(owned)) = detect(image.clone(), &options) else {
        panic!("no filesystem")
    };
    let want = all(owned.extents(0..image.size()));
    assert_eq!(all(boxed.extents(0..image.size())), want);
    assert_eq!(all(borrowed.extents(0..image.size())), want);
    assert_eq!(owned.disk().bytes, image.bytes);
}
