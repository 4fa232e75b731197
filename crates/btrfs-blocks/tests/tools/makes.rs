//! Filesystems that mkfs.btrfs fills itself: no root is needed.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use btrfs_blocks::{Keep, Options, Trust};
use fixtures::{SplitMix, Tool, require};

use crate::disk::{check, files, folder, open, restore, zeros};
use crate::second_reader;

const MIB: u64 = 1 << 20;

/// Options of mkfs.btrfs, and the length of the disk in MiB.
const MAKES: [(&str, u64); 12] = [
    ("", 300),
    ("--mixed", 80),
    ("--mixed --csum xxhash", 80),
    ("-m single -d single", 200),
    ("-m dup -d dup", 300),
    ("-n 4096 --csum xxhash", 200),
    ("-n 65536 --csum sha256", 400),
    ("-n 32768 --csum blake2 -L a-label", 300),
    ("-R ^free-space-tree", 200),
    ("-O ^skinny-metadata,^no-holes,^extref", 200),
    ("-n 8192 -d dup", 200),
    ("-m raid0 -d raid0", 200),
];

/// Fills a folder that mkfs.btrfs copies.
pub(crate) fn fill(folder: &Path) {
    let mut random = SplitMix::new(3);
    fs::create_dir_all(folder.join("tree/deeper")).unwrap();
    for number in 0..60usize {
        let length = [0, 1, 700, 5000, 30_000, 200_000][number % 6];
        let place = if number % 2 == 0 { "." } else { "tree/deeper" };
        let path = folder.join(place).join(format!("file {number}"));
        fs::write(path, random.bytes(length)).unwrap();
    }
}

/// Writes what was there before, over all of the disk.
fn old_bytes(image: &Path, mebibytes: u64) {
    let file = fs::File::options().write(true).open(image).unwrap();
    let block = SplitMix::new(7).bytes(1 << 20);
    for number in 0..mebibytes {
        file.write_all_at(&block, number * MIB).unwrap();
    }
}

#[test]
fn what_mkfs_wrote_is_there_after_the_free_bytes_are_gone() {
    let (Some(mkfs), Some(btrfs)) = (require("mkfs.btrfs"), require("btrfs")) else {
        return;
    };
    let source = tempfile::tempdir().unwrap();
    fill(source.path());
    let want = files(source.path());
    for (number, (make, mebibytes)) in MAKES.into_iter().enumerate() {
        let folder = folder();
        let image = folder.path().join("image");
        zeros(&image, mebibytes * MIB);
        let is_aged = number == 1;
        if is_aged {
            old_bytes(&image, mebibytes);
        }
        let words = make.split_whitespace();
        mkfs.ok(|command| {
            let command = command.args(["-q", "-K", "-f", "--rootdir"]);
            command.arg(source.path()).args(words).arg(&image)
        })
        .unwrap();
        let filesystem = open(&image, &Options::default());
        assert_eq!(filesystem.trust(), &Trust::References, "{make}");
        assert_eq!(
            (filesystem.damage(), filesystem.log()),
            (&[][..], None),
            "{make}"
        );
        if make.contains("-L") {
            assert_eq!(filesystem.info().label, b"a-label");
        }
        let free = filesystem.info().free_bytes;
        assert!(free > mebibytes * MIB / 2, "{make}: {free}");
        second_reader::compare(&btrfs, &image, &filesystem);
        judge(&btrfs, &image, &want, make);
    }
}

/// The restored image is as good as the image.
fn judge(
    btrfs: &Tool,
    image: &Path,
    want: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
    make: &str,
) {
    let folder = image.parent().unwrap();
    let restored = folder.join("restored");
    restore(image, &restored, &Options::default());
    check(btrfs, &restored);
    let out = folder.join("out");
    fs::create_dir(&out).unwrap();
    btrfs
        .ok(|command| command.arg("restore").arg(&restored).arg(&out))
        .unwrap();
    assert!(files(&out) == *want, "{make}");

    // Without contents the trees are sound.
    let mut options = Options::default();
    options.keep = Keep::Metadata;
    let metadata = folder.join("metadata");
    restore(image, &metadata, &options);
    let outcome = btrfs.run(|command| command.args(["check", "--readonly"]).arg(&metadata));
    let outcome = outcome.unwrap();
    assert!(outcome.success(), "{make}: {}", outcome.brief(2000));
}
