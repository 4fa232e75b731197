//! Compressed images of all kinds unpack to what is in them, with either decoder of
//! deflate. All other recipes are run by the tests of the program.
//!
//! Needs `qemu-img` and `qemu-io`. Without them the images that they make are
//! skipped, unless the variable `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::num::NonZeroUsize;

use blockio::MemoryDisk;
use fixtures::Qemu;
use fixtures::recipes::{self, Content, Disk, IMAGE, Recipe, Shop, Want};
use qcow2_reader::{Image, OpenOptions, UnpackOptions};

/// The disk that the image of `recipe` holds, if it is one of the active disk and
/// is read without other files.
fn disk(recipe: &Recipe, shop: &Shop) -> Option<Vec<u8>> {
    if recipe.opening != recipes::Opening::default() {
        return None;
    }
    match recipe.make(shop)? {
        Want::Reads(Disk::Known(content)) => Some(Content::read(&content, 0..content.size())),
        Want::Reads(Disk::Qemu) => {
            let raw = shop.path("raw");
            Qemu::find()
                .unwrap()
                .unpack(&shop.path(IMAGE), &raw)
                .unwrap();
            Some(fs::read(raw).unwrap())
        }
        Want::Refused { .. } | Want::Damaged { .. } | Want::Bomb { .. } => None,
    }
}

#[test]
fn compressed_images_give_their_disks() {
    let sizes = recipes::sizes();
    let is_compressed = |recipe: &Recipe| recipe.name.contains("compression_type=");
    let of_sizes = sizes.into_iter().filter(is_compressed);
    for recipe in recipes::compressed().into_iter().chain(of_sizes) {
        let shop = Shop::new();
        let Some(want) = disk(&recipe, &shop) else {
            continue;
        };
        let image = fs::read(shop.path(IMAGE)).unwrap();
        let image = Image::open(image, &OpenOptions::default()).unwrap();
        for threads in [1, 3] {
            let mut options = UnpackOptions::default();
            options.threads = NonZeroUsize::new(threads).unwrap();
            let disk = MemoryDisk::default();
            image.unpack(&disk, &options).unwrap();
            assert!(disk.into_bytes() == want, "{}", recipe.name);
        }
    }
}
