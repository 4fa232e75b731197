//! Block maps of inodes hold no names, except for what was left after their entries
//! and for damaged ones that are something else.

use ext_format::superblock::{u16_at, u32_at};

use crate::directory::entries::{put_u32, zero};

/// `eh_magic`.
const EXTENT_MAGIC: u16 = 0xf30a;

/// Size of the header of a node of an extent tree, and of each of its entries,
/// in bytes.
pub(super) const EXTENT_BYTES: usize = 12;

/// Zeros what follows the entries of a node of an extent tree, up to where
/// `eh_max` ends, and what follows its checksum. All of what is not a node.
#[expect(clippy::arithmetic_side_effects, reason = "products of 16-bit numbers")]
pub(super) fn clean_extents(node: &mut [u8]) {
    let entries = usize::from(u16_at(node, 2));
    let max = usize::from(u16_at(node, 4));
    let end = EXTENT_BYTES * (max + 1);
    if u16_at(node, 0) != EXTENT_MAGIC || entries > max || end > node.len() {
        node.fill(0);
        return;
    }
    let behind_checksum = (end + 4).min(node.len());
    zero(node, EXTENT_BYTES * (entries + 1)..end);
    zero(node, behind_checksum..node.len());
}

/// Makes pointers at blocks that do not exist others of that kind.
pub(super) fn clean_pointers(pointers: &mut [u8], exists: impl Fn(u64) -> bool) {
    for at in (0..pointers.len()).step_by(4) {
        let block = u32_at(pointers, at);
        if block != 0 && !exists(u64::from(block)) {
            put_u32(pointers, at, u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(magic: u16, entries: u16, max: u16, bytes: usize) -> Vec<u8> {
        let mut node: Vec<u8> = [magic, entries, max, 0]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        node.resize(bytes, b'x');
        node
    }

    #[test]
    fn what_follows_entries_goes_and_the_checksum_stays() {
        let mut bytes = node(EXTENT_MAGIC, 1, 3, 60);
        let before = bytes.clone();
        clean_extents(&mut bytes);
        assert_eq!(bytes[..24], before[..24]);
        assert_eq!(bytes[24..48], [0; 24]);
        assert_eq!(bytes[48..52], *b"xxxx");
        assert_eq!(bytes[52..], [0; 8]);
        // The root fills its place, and has no checksum.
        let mut bytes = node(EXTENT_MAGIC, 4, 4, 60);
        let before = bytes.clone();
        clean_extents(&mut bytes);
        assert_eq!(bytes, before);
    }

    #[test]
    fn what_is_no_node_goes() {
        for mut bytes in [
            node(0x6161, 1, 3, 60),
            node(EXTENT_MAGIC, 4, 3, 60),
            node(EXTENT_MAGIC, 1, 5, 60),
        ] {
            clean_extents(&mut bytes);
            assert_eq!(bytes, [0; 60]);
        }
    }

    #[test]
    fn pointers_at_nothing_stay_so() {
        let mut bytes = [7u32, 0, 0x6161_6161]
            .map(u32::to_le_bytes)
            .as_flattened()
            .to_vec();
        clean_pointers(&mut bytes, |block| block < 100);
        let want = [7u32, 0, u32::MAX].map(u32::to_le_bytes);
        assert_eq!(bytes, want.as_flattened());
    }
}
