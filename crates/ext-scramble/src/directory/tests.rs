use ext_format::checksum::Checksums;
use ext_format::superblock::u32_at;

use crate::directory::entries::put_u32;
use crate::directory::hash::{Algorithm, Hasher};
use crate::names::key::ScrambleKey;
use crate::names::{Case, Names};

use super::scrambler::TAIL;
use super::*;

const BLOCK: usize = 1024;
const SEED: u32 = 0x1234_5678;

fn names() -> Names {
    Names::new(&ScrambleKey::new([1; 32]))
}

fn scrambler(names: &Names, has_checksums: bool) -> Scrambler<'_> {
    Scrambler {
        style: Style {
            block_bytes: BLOCK,
            checksums: if has_checksums {
                Checksums::Crc32c { seed: SEED }
            } else {
                Checksums::None
            },
            hasher: Hasher::new(&[7; 16], false),
            has_data: false,
            has_large_directories: false,
        },
        directory: Directory {
            number: 12,
            i_generation: 34,
            is_indexed: true,
            is_encrypted: false,
            case: Case::Sensitive,
        },
        names,
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

fn entry(inode: u32, length: usize, name: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; length];
    put(&mut bytes, 0, &inode.to_le_bytes());
    put(&mut bytes, 4, &u16::try_from(length).unwrap().to_le_bytes());
    put(&mut bytes, 6, &[u8::try_from(name.len()).unwrap(), 1]);
    put(&mut bytes, 8, name);
    bytes
}

/// A leaf with entries of these names, each as long as it must be but the last.
fn leaf(first_inode: u32, names: &[Vec<u8>], has_tail: bool) -> Vec<u8> {
    let room = if has_tail { BLOCK - 12 } else { BLOCK };
    let mut bytes = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let length = if number + 1 == names.len() {
            room - bytes.len()
        } else {
            (8 + name.len()).next_multiple_of(4)
        };
        bytes.extend(entry(
            first_inode + u32::try_from(number).unwrap(),
            length,
            name,
        ));
    }
    if names.is_empty() {
        bytes = entry(0, room, b"");
    }
    if has_tail {
        bytes.extend(TAIL);
        let crc = checksum(&[&bytes[..room]]);
        bytes.extend(crc.to_le_bytes());
    }
    bytes
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let checksums = Checksums::Crc32c { seed: SEED };
    checksums.directory_block(12, 34, parts).unwrap()
}

/// A root whose leaves are the blocks after it.
fn root(leaves: u32, hash_version: u8, has_tail: bool) -> Vec<u8> {
    let mut bytes = [entry(12, 12, b"."), entry(2, BLOCK - 12, b"..")].concat();
    put(&mut bytes, 0x1c, &[hash_version, 8, 0, 0]);
    let tail = if has_tail { 8 } else { 0 };
    let limit = u16::try_from((BLOCK - 0x20 - tail) / 8).unwrap();
    put(&mut bytes, 0x20, &limit.to_le_bytes());
    put(
        &mut bytes,
        0x22,
        &u16::try_from(leaves).unwrap().to_le_bytes(),
    );
    put_u32(&mut bytes, 0x24, 1);
    for leaf in 1..leaves {
        let at = 0x20 + 8 * usize::try_from(leaf).unwrap();
        put_u32(&mut bytes, at, leaf << 20);
        put_u32(&mut bytes, at + 4, leaf + 1);
    }
    // A hash that a leaf had that is gone.
    let stale = 0x20 + 8 * usize::try_from(leaves).unwrap();
    put(&mut bytes, stale, b"old hash");
    if has_tail {
        let crc = checksum(&[&bytes[..stale], &bytes[BLOCK - 8..BLOCK - 4], &[0; 4]]);
        put_u32(&mut bytes, BLOCK - 4, crc);
    }
    bytes
}

fn numbered(range: std::ops::Range<u32>, bytes: usize) -> Vec<Vec<u8>> {
    let name = |n| format!("{n:0bytes$}").into_bytes();
    range.map(name).collect()
}

/// The names in use in a block, with their inodes.
fn list(scrambler: &Scrambler<'_>, block: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let (mut at, mut found) = (0, Vec::new());
    let area = &block[..scrambler.area_bytes(block)];
    while at < area.len() {
        let entry = scrambler.format().entry(area, at).unwrap();
        at = entry.bytes.end;
        if entry.inode != 0 {
            found.push((entry.inode, area[entry.name].to_vec()));
        }
    }
    found
}

#[test]
fn names_are_sorted_by_their_new_hashes() {
    let names = names();
    for has_checksums in [false, true] {
        let old = [
            numbered(0..20, 17),
            numbered(20..40, 17),
            numbered(40..41, 17),
        ];
        let mut blocks = root(4, 1, has_checksums);
        for (at, old) in old.iter().enumerate() {
            blocks.extend(leaf(
                100 + 20 * u32::try_from(at).unwrap(),
                old,
                has_checksums,
            ));
        }
        blocks.extend(leaf(0, &[], has_checksums));
        let scrambler = scrambler(&names, has_checksums);
        let outcome = scrambler.blocks(&mut blocks);
        assert_eq!((outcome.names, outcome.unindexed), (41, None));

        let mut all = Vec::new();
        for number in 1..=4u32 {
            let at = BLOCK * usize::try_from(number).unwrap();
            let block = &blocks[at..at + BLOCK];
            let slot = 0x20 + 8 * usize::try_from(number - 1).unwrap();
            let from = if number == 1 {
                0
            } else {
                u32_at(&blocks, slot)
            };
            let to = if number == 4 {
                u32::MAX
            } else {
                u32_at(&blocks, slot + 8)
            };
            for (inode, name) in list(&scrambler, block) {
                let hash = scrambler.style.hasher.hash(Algorithm::HalfMd4, &name);
                assert!(from & !1 <= hash.major && hash.major < to, "{number}");
                all.push((inode, name));
            }
            if has_checksums {
                assert_eq!(u32_at(block, BLOCK - 4), checksum(&[&block[..BLOCK - 12]]));
            }
        }
        all.sort();
        let old = old.concat();
        let want: Vec<_> = (100..).zip(old.iter().map(|n| names.map_path(n))).collect();
        assert_eq!(all, want);
        // The stale hash is gone.
        assert_eq!(blocks[0x40..0x48], [0; 8]);
        if has_checksums {
            let want = checksum(&[&blocks[..0x40], &blocks[BLOCK - 8..BLOCK - 4], &[0; 4]]);
            assert_eq!(u32_at(&blocks, BLOCK - 4), want);
        }
    }
}

#[test]
fn what_overflows_has_no_index() {
    let names = names();
    let full = [numbered(0..4, 248), numbered(4..7, 252)];
    let mut blocks = root(2, 1, false);
    blocks.extend(leaf(100, &full[0], false));
    // The last entry has no room to spare either.
    blocks.extend(leaf(
        200,
        &[full[1].clone(), numbered(7..8, 232)].concat(),
        false,
    ));
    let scrambler = scrambler(&names, false);
    let outcome = scrambler.blocks(&mut blocks);
    assert_eq!(
        (outcome.names, outcome.unindexed),
        (8, Some(Unindexed::Overflow))
    );
    assert_eq!(list(&scrambler, &blocks[..BLOCK]).len(), 2);
    assert_eq!(blocks[0x18..BLOCK], [0; BLOCK - 0x18]);
    let found = list(&scrambler, &blocks[BLOCK..2 * BLOCK]);
    let want: Vec<_> = (100..)
        .zip(full[0].iter().map(|n| names.map_path(n)))
        .collect();
    assert_eq!(found, want);
}

#[test]
fn a_damaged_index_goes() {
    let names = names();
    let patches: [(usize, &[u8]); 6] = [
        (0x1c, &[9]),
        (0x1d, &[4]),
        (0x1e, &[2]),
        (0x20, &[1]),
        (0x22, &[200]),
        (0x2c, &[1]),
    ];
    for (at, patch) in patches {
        let mut blocks = root(2, 1, true);
        put(&mut blocks, at, patch);
        blocks.extend(leaf(100, &numbered(0..3, 9), true));
        blocks.extend(leaf(200, &numbered(3..5, 9), true));
        let scrambler = scrambler(&names, true);
        let outcome = scrambler.blocks(&mut blocks);
        assert_eq!(outcome.unindexed, Some(Unindexed::Damaged), "{at:#x}");
        for (block, count) in blocks.chunks(BLOCK).zip([2, 3, 2]) {
            assert_eq!(list(&scrambler, block).len(), count);
            assert_eq!(block[BLOCK - 12..BLOCK - 4], TAIL);
            assert_eq!(u32_at(block, BLOCK - 4), checksum(&[&block[..BLOCK - 12]]));
        }
        assert!(blocks[0x18..BLOCK - 12].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn checksums_that_were_wrong_are_wrong_in_the_same_bits() {
    let names = names();
    let mut blocks = root(1, 1, true);
    blocks.extend(leaf(100, &numbered(0..3, 9), true));
    for block in blocks.chunks_mut(BLOCK) {
        let stored = u32_at(block, BLOCK - 4);
        put_u32(block, BLOCK - 4, stored ^ 0x00ff_0000);
    }
    assert_eq!(scrambler(&names, true).blocks(&mut blocks).unindexed, None);
    let node = checksum(&[&blocks[..0x28], &blocks[BLOCK - 8..BLOCK - 4], &[0; 4]]);
    assert_eq!(u32_at(&blocks, BLOCK - 4), node ^ 0x00ff_0000);
    let leaf = checksum(&[&blocks[BLOCK..2 * BLOCK - 12]]);
    assert_eq!(u32_at(&blocks, 2 * BLOCK - 4), leaf ^ 0x00ff_0000);
}

#[test]
fn names_with_secret_hashes_do_not_move() {
    let names = names();
    let mut blocks = root(1, 6, false);
    let mut area = vec![0; BLOCK];
    for (at, name, length) in [(0, &b"first"[..], 24), (24, b"second", 1000)] {
        put(&mut area, at, &entry(100, length, name));
        put(&mut area, at + 16, b"the hash");
    }
    blocks.extend(area);
    let plain = scrambler(&names, false);
    let mut secret = scrambler(&names, false);
    secret.directory.is_encrypted = true;
    secret.directory.case = Case::Folded;
    let mut other = blocks.clone();
    assert_eq!(plain.blocks(&mut other).unindexed, Some(Unindexed::Damaged));

    let outcome = secret.blocks(&mut blocks);
    assert_eq!((outcome.names, outcome.unindexed), (2, None));
    assert_eq!(blocks[BLOCK + 16..BLOCK + 24], *b"the hash");
    assert_eq!(blocks[BLOCK + 40..BLOCK + 48], *b"the hash");
    let first = names.map(b"first", Case::Folded);
    assert_eq!(blocks[BLOCK + 8..BLOCK + 13], first);
}
