//! How fast block bitmaps become extents, and inodes are asked.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::collections::BTreeMap;
use std::io;

use blockio::ReadAt;
use divan::Bencher;
use divan::counter::ItemsCount;
use ext_blocks::{Detected, Filesystem, Options, Trust, detect};
use fixtures::SplitMix;

const BLOCK: usize = 4096;
const GROUPS: u32 = 64;
const GROUP_BLOCKS: u32 = 32768;
const GROUP_INODES: u32 = 32;
/// Superblock, descriptors, two bitmaps and an inode table at the start of each
/// group.
const METADATA_BLOCKS: u32 = 5;

/// How the used blocks of a group lie.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// The first half is used.
    Halves,
    /// Runs of 1 to 128 blocks.
    Runs,
    /// Every second block.
    Alternating,
}

const PATTERNS: [Pattern; 3] = [Pattern::Halves, Pattern::Runs, Pattern::Alternating];

/// A disk of 8 GiB of which only blocks that are not zero are kept.
#[derive(Default)]
struct Disk(BTreeMap<u64, Vec<u8>>);

impl Disk {
    fn put(&mut self, block: u32, at: usize, bytes: &[u8]) {
        let block = self.0.entry(block.into()).or_insert_with(|| vec![0; BLOCK]);
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        u64::from(GROUPS) * u64::from(GROUP_BLOCKS) * 4096
    }
    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let at = usize::try_from(offset % 4096).map_err(io::Error::other)?;
            let (now, later) = buf.split_at_mut(buf.len().min(BLOCK - at));
            match self.0.get(&(offset / 4096)) {
                Some(block) => now.copy_from_slice(&block[at..at + now.len()]),
                None => now.fill(0),
            }
            offset += blockio::len_u64(now.len());
            buf = later;
        }
        Ok(())
    }
}

fn main() {
    divan::main();
}

/// A cleanly unmounted ext2 of revision 1, its structures at literal offsets.
fn disk(pattern: Pattern) -> Disk {
    let mut disk = Disk::default();
    for (at, value) in [
        (0x00, GROUPS * GROUP_INODES),
        (0x04, GROUPS * GROUP_BLOCKS),
        (0x18, 2),
        (0x1c, 2),
        (0x20, GROUP_BLOCKS),
        (0x24, GROUP_BLOCKS),
        (0x28, GROUP_INODES),
        (0x38, 0x0001_ef53),
        (0x4c, 1),
        (0x58, 128),
        (0x64, 1),
    ] {
        disk.put(0, 1024 + at, &value.to_le_bytes());
    }
    let mut random = SplitMix::new(1);
    for group in 0..GROUPS {
        let bitmap = bitmap(pattern, &mut random);
        let used: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
        let first = group * GROUP_BLOCKS;
        let inodes = if group == 0 { 11 } else { 0 };
        let descriptor = [
            first + 2,
            first + 3,
            first + 4,
            (GROUP_INODES - inodes) << 16 | (GROUP_BLOCKS - used),
        ];
        let descriptor = descriptor.map(u32::to_le_bytes);
        disk.put(
            1,
            usize::try_from(group).unwrap() * 32,
            descriptor.as_flattened(),
        );
        disk.put(first + 2, 0, &bitmap);
        disk.put(first + 3, 0, &((1u32 << inodes) - 1).to_le_bytes());
    }
    disk
}

/// Makes every inode of `group` a file of twelve blocks.
fn files(disk: &mut Disk, group: u32) {
    let first = group * GROUP_BLOCKS;
    for inode in 0..GROUP_INODES {
        let at = usize::try_from(inode).unwrap() * 128;
        let table = first + METADATA_BLOCKS - 1;
        disk.put(table, at, &0x8180u16.to_le_bytes());
        disk.put(table, at + 0x1a, &[1]);
        for pointer in 0..12 {
            let block = first + METADATA_BLOCKS + inode * 12 + pointer;
            let place = at + 0x28 + usize::try_from(pointer).unwrap() * 4;
            disk.put(table, place, &block.to_le_bytes());
        }
    }
}

/// The block bitmap of a group.
fn bitmap(pattern: Pattern, random: &mut SplitMix) -> Vec<u8> {
    let mut run_end = 0;
    let mut run_used = false;
    let mut used = |block: u32| match pattern {
        Pattern::Halves => block < GROUP_BLOCKS / 2,
        Pattern::Alternating => block.is_multiple_of(2),
        Pattern::Runs => {
            if block >= run_end {
                run_end = block + 1 + u32::try_from(random.below(128)).unwrap();
                run_used = !run_used;
            }
            run_used
        }
    };
    let mut bitmap = vec![0; BLOCK];
    for (index, byte) in (0..).zip(&mut bitmap) {
        for bit in 0..8 {
            let block = index * 8 + bit;
            if used(block) || block < METADATA_BLOCKS {
                *byte |= 1 << bit;
            }
        }
    }
    bitmap
}

/// The filesystem on `disk`, which is believed.
fn open(disk: &Disk) -> Filesystem<&Disk> {
    let Ok(Detected::Ext(filesystem)) = detect(disk, &Options::default()) else {
        panic!("the disk has a filesystem");
    };
    assert_eq!(filesystem.trust(), &Trust::Bitmaps);
    assert_eq!(filesystem.damage().findings(), []);
    filesystem
}

/// The survey that proves what is free.
#[divan::bench(args = PATTERNS)]
fn survey(bencher: Bencher<'_, '_>, pattern: Pattern) {
    let disk = disk(pattern);
    bencher
        .counter(ItemsCount::new(GROUPS))
        .bench_local(|| open(divan::black_box(&disk)).info().used_bytes);
}

/// The same where every inode is a file of blocks in use, which is asked for them.
#[divan::bench]
fn inodes(bencher: Bencher<'_, '_>) {
    let mut disk = disk(Pattern::Halves);
    for group in 0..GROUPS {
        files(&mut disk, group);
    }
    bencher
        .counter(ItemsCount::new(GROUPS * GROUP_INODES))
        .bench_local(|| open(divan::black_box(&disk)).info().used_bytes);
}

/// The extents of the whole disk.
#[divan::bench(args = PATTERNS)]
fn extents(bencher: Bencher<'_, '_>, pattern: Pattern) {
    let disk = disk(pattern);
    let filesystem = open(&disk);
    let extents = || filesystem.used_extents().map(Result::unwrap);
    bencher
        .counter(ItemsCount::new(extents().count()))
        .bench_local(|| extents().map(|extent| extent.length).sum::<u64>());
}
