//! Targets of symbolic links.

use crate::names::Names;

/// Size of the length that an encrypted target begins with, in bytes.
const LENGTH_BYTES: usize = 2;

/// Scrambles a target of `target_bytes` at the start of `bytes`; zeros follow.
/// Where the text is longer than that, it stays so.
pub(super) fn scramble(names: &Names, bytes: &mut [u8], target_bytes: usize, is_encrypted: bool) {
    let text = bytes.iter().position(|byte| *byte == 0);
    let end = if is_encrypted {
        target_bytes.min(bytes.len())
    } else {
        text.unwrap_or(bytes.len())
            .max(target_bytes.min(bytes.len()))
    };
    let (target, rest) = bytes.split_at_mut(end);
    rest.fill(0);
    if is_encrypted {
        // Not a name, but perhaps one under a key that another holds.
        if let Some((_, target)) = target.split_at_mut_checked(LENGTH_BYTES) {
            let old = target.to_vec();
            names.replace(&old, target);
        }
    } else {
        let mapped = names.map_path(target);
        target.copy_from_slice(&mapped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::key::ScrambleKey;

    fn scrambled(bytes: &[u8], target_bytes: usize, is_encrypted: bool) -> Vec<u8> {
        let names = Names::new(&ScrambleKey::new([1; 32]));
        let mut bytes = bytes.to_vec();
        scramble(&names, &mut bytes, target_bytes, is_encrypted);
        bytes
    }

    #[test]
    fn targets_are_paths_and_zeros_follow() {
        let names = Names::new(&ScrambleKey::new([1; 32]));
        let want = [&names.map_path(b"../usr/bin")[..], &[0; 6]].concat();
        assert_eq!(scrambled(b"../usr/bin\0stale", 10, false), want);
        assert_eq!(scrambled(b"../usr/bin\0stale", 3, false), want);
        // A size that cannot be is cut.
        assert_eq!(scrambled(b"usr", 1 << 40, false), names.map_path(b"usr"));
    }

    #[test]
    fn encrypted_targets_keep_their_length() {
        let target = b"\x10\x00abcdefghijklmnopstale";
        let image = scrambled(target, 18, true);
        assert_eq!(image[..2], target[..2]);
        assert_ne!(image[2..10], target[2..10]);
        assert_eq!(image[18..], [0; 5]);
        assert_eq!(scrambled(b"a", 1, true), b"a");
    }
}
