//! The fields of a btrfs.

use std::iter;

use super::super::subject::{Seal, Subject};

const SUPERBLOCK_AT: usize = 64 << 10;
const SUPERBLOCK_BYTES: usize = 4096;
/// Of every structure with a checksum, the bytes that hold it.
const CHECKSUM_BYTES: usize = 32;

const SUPERBLOCK: &str = "
    00/4 csum 20/8 fsid 30/8 bytenr 38/8 flags 40/8 magic 48/8 generation 50/8 root 58/8 chunk_root
    60/8 log_root 68/8 log_root_transid 70/8 total_bytes 78/8 bytes_used 80/8 root_dir_objectid
    88/8 num_devices 90/4 sectorsize 94/4 nodesize 98/4 leafsize 9c/4 stripesize
    a0/4 sys_chunk_array_size a4/8 chunk_root_generation ac/8 compat_flags b4/8 compat_ro_flags
    bc/8 incompat_flags c4/2 csum_type c6/1 root_level c7/1 chunk_root_level c8/1 log_root_level
    c9/8 dev_item.devid d1/8 dev_item.total_bytes d9/8 dev_item.bytes_used e1/4 dev_item.io_align
    e5/4 dev_item.io_width e9/4 dev_item.sector_size ed/8 dev_item.type f5/8 dev_item.generation
    fd/8 dev_item.start_offset 10b/8 dev_item.uuid 11b/8 dev_item.fsid 12b/1 label
    22b/8 cache_generation 233/8 uuid_tree_generation 23b/8 metadata_uuid 24b/8 nr_global_roots
    32b/8 sys_chunk.key.objectid 333/1 sys_chunk.key.type 334/8 sys_chunk.key.offset
    33c/8 sys_chunk.length 344/8 sys_chunk.owner 34c/8 sys_chunk.stripe_len 354/8 sys_chunk.type
    35c/4 sys_chunk.io_align 360/4 sys_chunk.io_width 364/4 sys_chunk.sector_size
    368/2 sys_chunk.num_stripes 36a/2 sys_chunk.sub_stripes 36c/8 sys_chunk.stripe.devid
    374/8 sys_chunk.stripe.offset 37c/8 sys_chunk.stripe.dev_uuid b2b/8 super_roots[0].tree_root";

const HEADER: &str = "
    00/4 csum 20/8 fsid 30/8 bytenr 38/8 flags 40/8 chunk_tree_uuid 50/8 generation 58/8 owner
    60/4 nritems 64/1 level";
const HEADER_BYTES: usize = 0x65;

const ITEM: &str = "00/8 objectid 08/1 type 09/8 offset 11/4 data_offset 15/4 data_size";
const ITEM_BYTES: usize = 25;

const POINTER: &str = "00/8 objectid 08/1 type 09/8 offset 11/8 blockptr 19/8 generation";
const POINTER_BYTES: usize = 33;

/// Items and pointers of a node that are taken, and numbers in each item.
const ITEMS: usize = 4;
const NUMBERS: usize = 9;
/// Nodes of a tree that are taken.
const NODES: usize = 2;

/// The trees that are read: root, extent, chunk, device, free space and block group
/// tree, and that of the log.
const TREES: [(usize, &str); 7] = [
    (1, "root tree"),
    (2, "extent tree"),
    (3, "chunk tree"),
    (4, "device tree"),
    (10, "free space tree"),
    (11, "block group tree"),
    (LOG_TREE, "log tree"),
];
const LOG_TREE: usize = usize::MAX - 5;

pub(super) fn find(subject: &mut Subject) {
    let is_crc32c = subject.little(SUPERBLOCK_AT + 0xc4, 2) == 0;
    // A check for no other kind can be made right here.
    let seal = |at: usize, bytes: usize| {
        let seal = Seal::Crc32c {
            covered: iter::once(at + CHECKSUM_BYTES..at + bytes).collect(),
            field: at,
        };
        if is_crc32c { vec![seal] } else { vec![] }
    };
    let place = SUPERBLOCK_AT..SUPERBLOCK_AT + SUPERBLOCK_BYTES;
    let superblock = seal(SUPERBLOCK_AT, SUPERBLOCK_BYTES);
    subject.add("superblock", SUPERBLOCK, place, false, &superblock);
    let node_bytes = subject.little(SUPERBLOCK_AT + 0x94, 4);
    let log_root = subject.little(SUPERBLOCK_AT + 0x60, 8);
    let newest = subject.little(SUPERBLOCK_AT + 0x48, 8);
    for (owner, name) in TREES {
        let mut nodes: Vec<_> = (0..subject.disk.len())
            .step_by(4096)
            .filter(|at| is_node(subject, *at, owner, newest))
            // The log tree is in what is called free.
            .filter(|at| subject.is_used(*at) || owner == LOG_TREE && log_root != 0)
            .map(|at| (subject.little(at + 0x50, 8), at))
            .collect();
        nodes.sort_unstable();
        for (number, (_, at)) in nodes.into_iter().rev().take(NODES).enumerate() {
            node(
                subject,
                &format!("{name} {number}"),
                at,
                &seal(at, node_bytes),
            );
        }
    }
}

/// Whether a node of the tree `owner` begins at `at`.
fn is_node(subject: &Subject, at: usize, owner: usize, newest: usize) -> bool {
    let fsid = |at: usize| subject.disk.get(at + 0x20..at + 0x30);
    fsid(at) == fsid(SUPERBLOCK_AT)
        && subject.little(at + 0x58, 8) == owner
        && subject.little(at + 0x50, 8) <= newest + 1
        && subject.disk[at + 0x64] < 8
}

fn node(subject: &mut Subject, what: &str, at: usize, seal: &[Seal]) {
    subject.add(what, HEADER, at..at + HEADER_BYTES, false, seal);
    let count = subject.little(at + 0x60, 4);
    let is_leaf = subject.disk[at + 0x64] == 0;
    // The first ones and the last.
    let numbers = (0..count).filter(|number| *number < ITEMS || number + 1 == count);
    for number in numbers {
        let what = format!("{what} item {number}");
        if !is_leaf {
            let pointer = at + HEADER_BYTES + number * POINTER_BYTES;
            subject.add(
                &what,
                POINTER,
                pointer..pointer + POINTER_BYTES,
                false,
                seal,
            );
            continue;
        }
        let item = at + HEADER_BYTES + number * ITEM_BYTES;
        subject.add(&what, ITEM, item..item + ITEM_BYTES, false, seal);
        let data = at + HEADER_BYTES + subject.little(item + 0x11, 4);
        let bytes = subject.little(item + 0x15, 4).min(8 * NUMBERS);
        subject.add_numbers(&what, data..data + bytes, 8, false, seal);
    }
}
