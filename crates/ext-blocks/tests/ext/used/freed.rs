//! Blocks in use whose bits debugfs clears, with right checksums and counts: each
//! kind of block that inodes refer to, in filesystems of many makes.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use blockio::ExtentKind;
use ext_blocks::damage::Finding;
use ext_blocks::trust::Evidence;
use ext_blocks::{Options, Trust};
use fixtures::{E2fs, SplitMix, Usage};
use hostdisk::Disk;

use crate::image::{open, with};

/// Options of mke2fs, the length of the disk in MiB, that of a block in bytes, and
/// the blocks of a cluster.
type Make = (&'static str, u64, u64, u64);

const MAKES: [Make; 11] = [
    ("-t ext2 -b 1024", 12, 1024, 1),
    ("-t ext3 -b 1024 -N 9000", 12, 1024, 1),
    ("-t ext4 -b 1024", 12, 1024, 1),
    ("-t ext4 -b 1024 -O ^metadata_csum,uninit_bg", 20, 1024, 1),
    (
        "-t ext4 -b 1024 -O ^metadata_csum,^uninit_bg,^flex_bg,^resize_inode,meta_bg,64bit",
        20,
        1024,
        1,
    ),
    (
        "-t ext4 -b 1024 -O quota,project,ea_inode,orphan_file",
        20,
        1024,
        1,
    ),
    ("-t ext4 -b 2048 -O inline_data,^64bit", 20, 2048, 1),
    ("-t ext4 -b 4096 -O ^has_journal", 24, 4096, 1),
    ("-t ext4 -b 1024 -O bigalloc -C 16384", 32, 1024, 16),
    (
        "-t ext4 -b 4096 -O bigalloc,^metadata_csum,^uninit_bg -C 32768",
        32,
        4096,
        8,
    ),
    ("-t ext4 -b 65536", 64, 65536, 1),
];

/// Inodes are looked at up to this number.
const INODES: u32 = 30;

/// A file of one piece, one of many, many names, a link in a block.
fn plant(tree: &Path, block_bytes: u64) {
    let mut random = SplitMix::new(6);
    fs::create_dir_all(tree.join("many")).unwrap();
    fs::write(tree.join("big"), random.bytes(700_000)).unwrap();
    for number in 0..60 {
        let name = format!("many/a-rather-long-name-for-a-file-{number:040}");
        fs::hard_link(tree.join("big"), tree.join(name)).unwrap();
    }
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    for piece in 0..40 {
        let at = piece * 2 * block_bytes.max(8192);
        sparse.write_all_at(&random.bytes(1000), at).unwrap();
    }
    symlink("l".repeat(200), tree.join("link")).unwrap();
}

/// A filesystem of `make` with all kinds of inodes.
fn made(e2fs: &E2fs, folder: &Path, make: Make) {
    let (options, mib, block_bytes, _) = make;
    let (tree, image, value) = (
        folder.join("tree"),
        folder.join("image"),
        folder.join("value"),
    );
    plant(&tree, block_bytes);
    let mut arguments: Vec<_> = options.split(' ').collect();
    arguments.extend(["-d", tree.to_str().unwrap()]);
    e2fs.make(&image, mib << 20, &arguments).unwrap();
    let length = if options.contains("ea_inode") {
        9000
    } else {
        500
    };
    fs::write(&value, SplitMix::new(7).bytes(length)).unwrap();
    let set = |file| format!("ea_set -f {} {file} user.large", value.display());
    e2fs.debugfs(&image, &[set("big"), set("sparse")]).unwrap();
    // mke2fs does not count what it copies in as quota.
    e2fs.fsck(&["-fy"], &image).unwrap();
    let fsck = e2fs.fsck(&["-fn"], &image).unwrap();
    assert!(fsck.success(), "{options}: {}", fsck.brief(400));
}

/// Some of the blocks that debugfs says that inode `number` has: the first, the
/// last, one between, and the one of attributes.
fn blocks_of(e2fs: &E2fs, image: &Path, number: u32) -> Vec<u64> {
    // Of an inode that is not in use debugfs says nothing, or that it is so.
    let Ok(list) = e2fs.ask(image, &format!("blocks <{number}>")) else {
        return Vec::new();
    };
    let list: Vec<u64> = list
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let ends = list.first().into_iter().chain(list.last());
    let mut some: Vec<_> = ends.chain(list.get(list.len() / 2)).copied().collect();
    let stat = e2fs.ask(image, &format!("stat <{number}>")).unwrap();
    let attributes = stat.split("File ACL: ").nth(1).unwrap_or_default();
    let attributes = attributes.split_whitespace().next();
    some.extend(attributes.and_then(|block| block.parse::<u64>().ok()));
    some.retain(|block| *block != 0);
    some.sort_unstable();
    some.dedup();
    some
}

/// A free block of the group of `block`, of which the free ones are known.
fn free_beside(usage: &Usage, make: Make, block: u64) -> Option<u64> {
    let (_, _, block_bytes, cluster) = make;
    let first = u64::from(block_bytes == 1024 && cluster == 1);
    let group = |block: u64| (block - first) / (block_bytes * 8 * cluster);
    usage
        .free
        .iter()
        .map(|range| (range.end - 1) / block_bytes)
        .find(|free| group(*free) == group(block))
}

/// Asserts that `block`, of inode `number`, is kept and told.
fn kept(image: &Path, make: Make, number: u32, block: u64) -> bool {
    let (options, _, block_bytes, cluster) = make;
    let what = format!("{options}: block {block} of inode {number}");
    let disk = Disk::open(image).unwrap();
    let filesystem = open(&disk, &Options::default());
    assert_eq!(filesystem.trust(), &Trust::Bitmaps, "{what}");
    assert!(filesystem.unclean().is_clean(), "{what}");
    let findings = filesystem.damage().findings();
    let of_the_cluster = |other: u64| other / cluster == block / cluster;
    let mut is_plain = false;
    let told = findings.iter().any(|finding| match *finding {
        Finding::InUse {
            inode,
            block,
            count,
        } => {
            is_plain = true;
            inode == number && (block..block + count).any(of_the_cluster)
        }
        // It is where the survey looks, too.
        Finding::MetadataFree { block, .. } => of_the_cluster(block),
        _ => false,
    });
    assert!(told, "{what}: {findings:?}");
    let (start, end) = (block * block_bytes, (block + 1) * block_bytes);
    let is_used = |filesystem: &ext_blocks::Filesystem<&Disk>| {
        filesystem.used_extents().map(Result::unwrap).any(|extent| {
            extent.kind == ExtentKind::Data && extent.start <= start && end <= extent.end()
        })
    };
    assert!(is_used(&filesystem), "{what}");
    for threads in [1, 5] {
        let options = with(|options| options.threads = NonZeroUsize::new(threads));
        let other = open(&disk, &options);
        assert_eq!(other.damage(), filesystem.damage(), "{what}");
        assert_eq!(other.info(), filesystem.info(), "{what}");
    }
    // Bitmaps alone do not know.
    let options = with(|options| options.evidence = Evidence::Bitmaps);
    assert_ne!(is_used(&open(&disk, &options)), is_plain, "{what}");
    is_plain
}

#[test]
fn a_block_in_use_is_kept_whatever_its_bitmap_says() {
    let Some(e2fs) = E2fs::require() else { return };
    for make in MAKES {
        let folder = tempfile::tempdir().unwrap();
        made(&e2fs, folder.path(), make);
        let image = folder.path().join("image");
        let usage = e2fs.usage(&image).unwrap().unwrap();
        let disk = Disk::open(&image).unwrap();
        let sound = open(&disk, &Options::default());
        assert_eq!(sound.trust(), &Trust::Bitmaps, "{}", make.0);
        assert_eq!(sound.damage().findings(), [], "{}", make.0);
        let (mut cases, mut plain, mut owners) = (0, 0, 0);
        for number in 1..INODES {
            let blocks = blocks_of(&e2fs, &image, number);
            owners += u32::from(!blocks.is_empty());
            for block in blocks {
                let Some(free) = free_beside(&usage, make, block) else {
                    continue;
                };
                let swap = |from: u64, to: u64| [format!("freeb {from}"), format!("setb {to}")];
                e2fs.debugfs(&image, &swap(block, free)).unwrap();
                plain += u32::from(kept(&image, make, number, block));
                cases += 1;
                e2fs.debugfs(&image, &swap(free, block)).unwrap();
            }
        }
        println!(
            "{}: {owners} inodes, {cases} blocks, {plain} of files",
            make.0
        );
        assert!(cases > 12 && plain > 8 && owners > 5, "{}", make.0);
        let after = open(&disk, &Options::default());
        assert_eq!(after.damage().findings(), [], "{}", make.0);
    }
}
