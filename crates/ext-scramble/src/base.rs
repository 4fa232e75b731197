//! The superblock and the multiple mount protection block.

use ext_format::checksum::{self, Checksums};
use ext_format::superblock::{SUPERBLOCK_BYTES, u16_at, u32_at};

use crate::directory::entries::{put_u32, zero};
use crate::link;
use crate::names::{Case, Names};

/// `s_magic`, and where it lies.
const MAGIC: u16 = 0xef53;
const MAGIC_AT: usize = 0x38;

/// `s_volume_name` and `s_last_mounted`.
const LABEL_AT: usize = 0x78;
const LABEL_BYTES: usize = 16;
const MOUNTED_AT: usize = 0x88;
const MOUNTED_BYTES: usize = 64;

/// `s_encoding_flags`, and its bit that refuses names which are not UTF-8.
const ENCODING_FLAGS_AT: usize = 0x27e;
const STRICT: u8 = 1;

/// `s_checksum`.
const CHECKSUM_AT: usize = 0x3fc;

/// `mmp_magic`, `mmp_nodename` with `mmp_bdevname`, and `mmp_checksum`.
const MMP_MAGIC: u32 = 0x004d_4d50;
const MMP_NAMES: std::ops::Range<usize> = 0x10..0x70;
const MMP_CHECKSUM_AT: usize = 0x3fc;

/// Scrambles a superblock or a copy of it. `keep_strict` is false where some
/// name in a directory that ignores case is not UTF-8 any more. Returns whether
/// such names were refused.
pub(super) fn scramble_superblock(
    sb: &mut [u8; SUPERBLOCK_BYTES],
    names: &Names,
    checksums: &Checksums,
    keep_strict: bool,
) -> bool {
    if u16_at(sb, MAGIC_AT) != MAGIC {
        sb.fill(0);
        return false;
    }
    let old = checksum::superblock(sb);
    let label = field(sb, LABEL_AT, LABEL_BYTES);
    let label_bytes = text_bytes(label);
    let mapped = names.map(
        label.get(..label_bytes).unwrap_or_default(),
        Case::Sensitive,
    );
    label.fill(0);
    for (byte, mapped) in label.iter_mut().zip(mapped) {
        *byte = mapped;
    }
    let mounted = field(sb, MOUNTED_AT, MOUNTED_BYTES);
    let mounted_bytes = text_bytes(mounted);
    link::scramble(names, mounted, mounted_bytes, false);
    let mut was_strict = false;
    for byte in field(sb, ENCODING_FLAGS_AT, 1) {
        was_strict = *byte & STRICT != 0;
        if !keep_strict {
            *byte &= !STRICT;
        }
    }
    if matches!(checksums, Checksums::Crc32c { .. }) {
        let wrong = u32_at(sb, CHECKSUM_AT) ^ old;
        let right = checksum::superblock(sb);
        put_u32(sb, CHECKSUM_AT, right ^ wrong);
    }
    was_strict
}

/// Scrambles the multiple mount protection block, which names the machine
/// that had it.
pub(super) fn scramble_mmp(block: &mut [u8], checksums: &Checksums) {
    if u32_at(block, 0) != MMP_MAGIC {
        block.fill(0);
        return;
    }
    let computed = |block: &[u8]| checksums.mmp(block.get(..MMP_CHECKSUM_AT)?);
    let old = computed(block);
    zero(block, MMP_NAMES);
    zero(block, SUPERBLOCK_BYTES..block.len());
    if let (Some(old), Some(right)) = (old, computed(block)) {
        let wrong = u32_at(block, MMP_CHECKSUM_AT) ^ old;
        put_u32(block, MMP_CHECKSUM_AT, right ^ wrong);
    }
}

fn field(sb: &mut [u8; SUPERBLOCK_BYTES], at: usize, bytes: usize) -> &mut [u8] {
    let after = sb.get_mut(at..).unwrap_or_default();
    let end = bytes.min(after.len());
    after.get_mut(..end).unwrap_or_default()
}

/// Bytes of a text that ends with its field or before a NUL.
fn text_bytes(field: &[u8]) -> usize {
    let end = field.iter().position(|byte| *byte == 0);
    end.unwrap_or(field.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::key::ScrambleKey;

    fn names() -> Names {
        Names::new(&ScrambleKey::new([1; 32]))
    }

    fn superblock() -> [u8; SUPERBLOCK_BYTES] {
        let mut sb = [0x11; SUPERBLOCK_BYTES];
        sb[0x38..0x3a].copy_from_slice(&MAGIC.to_le_bytes());
        sb[0x78..0x88].copy_from_slice(b"backup\0stale-one");
        sb[0x88..0xc8].fill(0);
        sb[0x88..0x90].copy_from_slice(b"/mnt/usr");
        let crc = checksum::superblock(&sb);
        put_u32(&mut sb, 0x3fc, crc);
        sb
    }

    #[test]
    fn label_and_path_are_scrambled_and_little_else() {
        let checksums = Checksums::Crc32c { seed: 1 };
        for wrong in [0, 0x80] {
            let before = superblock();
            let mut sb = before;
            let stored = u32_at(&sb, 0x3fc) ^ wrong;
            put_u32(&mut sb, 0x3fc, stored);
            assert!(scramble_superblock(&mut sb, &names(), &checksums, false));
            let mut want = before;
            want[0x78..0x88].fill(0);
            want[0x78..0x7e].copy_from_slice(&names().map_path(b"backup"));
            want[0x88..0x90].copy_from_slice(&names().map_path(b"/mnt/usr"));
            want[0x27e] = 0x10;
            let crc = checksum::superblock(&want);
            put_u32(&mut want, 0x3fc, crc ^ wrong);
            assert_eq!(sb, want);
        }
    }

    #[test]
    fn what_is_no_superblock_goes() {
        let mut sb = [0x11; SUPERBLOCK_BYTES];
        assert!(!scramble_superblock(
            &mut sb,
            &names(),
            &Checksums::None,
            true
        ));
        assert_eq!(sb, [0; SUPERBLOCK_BYTES]);
    }

    #[test]
    fn the_machine_goes() {
        let checksums = Checksums::Crc32c { seed: 1 };
        let mut block = vec![0x22; 4096];
        put_u32(&mut block, 0, MMP_MAGIC);
        let crc = checksums.mmp(&block[..0x3fc]).unwrap();
        put_u32(&mut block, 0x3fc, crc);
        scramble_mmp(&mut block, &checksums);
        assert_eq!(block[0x10..0x70], [0; 0x60]);
        assert_eq!(block[0x70..0x3fc], [0x22; 0x38c]);
        assert_eq!(checksums.mmp(&block[..0x3fc]), Some(u32_at(&block, 0x3fc)));
        assert_eq!(block[1024..], [0; 3072]);
        block[0] = 0;
        scramble_mmp(&mut block, &checksums);
        assert_eq!(block, [0; 4096]);
    }
}
