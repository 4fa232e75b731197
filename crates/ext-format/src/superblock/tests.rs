use super::*;

/// A superblock of which every field has another value.
fn distinct() -> [u8; SUPERBLOCK_BYTES] {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(at * 7 % 251).unwrap();
    }
    bytes[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
    bytes[0x4c..0x50].copy_from_slice(&[1, 0, 0, 0]);
    bytes[0x60..0x64].copy_from_slice(&[0x80, 0, 0, 0]);
    bytes
}

fn stored(at: usize, length: usize) -> u64 {
    let mut value = [0; 8];
    value[..length].copy_from_slice(&distinct()[at..at + length]);
    u64::from_le_bytes(value)
}

#[test]
fn fields_are_where_the_format_puts_them() {
    let sb = Superblock::decode(&distinct()).unwrap();
    let fields = [
        (u64::from(sb.s_inodes_count), 0x00, 4),
        (sb.s_blocks_count & 0xffff_ffff, 0x04, 4),
        (sb.s_blocks_count >> 32, 0x150, 4),
        (u64::from(sb.s_first_data_block), 0x14, 4),
        (u64::from(sb.s_log_block_size), 0x18, 4),
        (u64::from(sb.s_log_cluster_size), 0x1c, 4),
        (u64::from(sb.s_blocks_per_group), 0x20, 4),
        (u64::from(sb.s_clusters_per_group), 0x24, 4),
        (u64::from(sb.s_inodes_per_group), 0x28, 4),
        (u64::from(sb.s_state), 0x3a, 2),
        (u64::from(sb.s_inode_size), 0x58, 2),
        (u64::from(sb.compat.bits()), 0x5c, 4),
        (u64::from(sb.ro_compat.bits()), 0x64, 4),
        (u64::from(sb.s_reserved_gdt_blocks), 0xce, 2),
        (u64::from(sb.s_journal_inum), 0xe0, 4),
        (u64::from(sb.s_desc_size), 0xfe, 2),
        (u64::from(sb.s_first_meta_bg), 0x104, 4),
        (sb.s_mmp_block, 0x168, 8),
        (u64::from(sb.s_checksum_type), 0x175, 1),
        (u64::from(sb.s_backup_bgs[0]), 0x24c, 4),
        (u64::from(sb.s_backup_bgs[1]), 0x250, 4),
        (u64::from(sb.s_checksum_seed), 0x270, 4),
        (u64::from(sb.s_checksum), 0x3fc, 4),
    ];
    for (found, at, length) in fields {
        assert_eq!(found, stored(at, length), "field at {at:#x}");
    }
    assert_eq!(sb.s_uuid, distinct()[0x68..0x78]);
    assert_eq!(sb.s_volume_name, distinct()[0x78..0x88]);
}

#[test]
fn the_upper_half_of_the_block_count_needs_the_64bit_feature() {
    let mut bytes = distinct();
    bytes[0x60] = 0;
    let sb = Superblock::decode(&bytes).unwrap();
    assert_eq!(sb.s_blocks_count, stored(0x04, 4));
}

#[test]
fn inodes_of_revision_0_have_128_bytes() {
    let mut bytes = distinct();
    bytes[0x4c] = 0;
    assert_eq!(Superblock::decode(&bytes).unwrap().s_inode_size, 128);
}

#[test]
fn without_the_magic_number_there_is_no_superblock() {
    for at in [0x38, 0x39] {
        let mut bytes = distinct();
        bytes[at] ^= 1;
        assert!(Superblock::decode(&bytes).is_none());
    }
}
