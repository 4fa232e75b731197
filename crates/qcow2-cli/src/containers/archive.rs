//! Further checks for archives and compressed files whose magic is short.

use super::ends::Ends;

/// Offsets of the checksum in a tar header and in a VHD footer.
const TAR_CHECKSUM: usize = 148;
const VHD_CHECKSUM: usize = 64;

/// Returns whether the first header of a tar archive has the right checksum and names
/// a file that ends in `suffix`.
pub(super) fn is_tar_of(ends: &Ends, suffix: &[u8]) -> bool {
    let Some(header) = ends.head.get(..512) else {
        return false;
    };
    let sum = header.iter().enumerate().map(|(at, &byte)| {
        // The checksum counts as spaces.
        let own = (TAR_CHECKSUM..TAR_CHECKSUM + 8).contains(&at);
        u32::from(if own { b' ' } else { byte })
    });
    let stored = ends.array::<8>(TAR_CHECKSUM);
    let digits = stored.iter().skip_while(|&&byte| byte == b' ');
    let stored = digits
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .fold(0, |sum: u32, &digit| {
            sum.saturating_mul(8).saturating_add((digit - b'0').into())
        });
    let name = header.get(..100).unwrap_or_default();
    let name: Vec<_> = name.iter().copied().take_while(|&byte| byte != 0).collect();
    sum.sum::<u32>() == stored && !name.is_empty() && name.ends_with(suffix)
}

/// Returns whether a zip archive begins here: a file with a name, the end of an empty
/// archive, or a part of a split one.
pub(super) fn is_zip(ends: &Ends) -> bool {
    let first_file = |at: usize| {
        let version = ends.byte(at + 4);
        let name_bytes = u16::from_le_bytes(ends.array(at + 26));
        ends.has(at, b"PK\x03\x04") && version <= 63 && name_bytes > 0
    };
    let is_empty = ends.has(0, b"PK\x05\x06") && u16::from_le_bytes(ends.array(4)) == 0;
    first_file(0) || is_empty || ends.has(0, b"PK\x07\x08") && first_file(4)
}

/// Returns whether a gzip header has known flags only.
pub(super) fn is_deflated(ends: &Ends) -> bool {
    ends.byte(3) & 0xe0 == 0
}

/// Returns whether the header of a bare LZMA stream is plausible, unlike boot code: a
/// dictionary of 2^n or 2^n + 2^(n-1) bytes, a size that is unknown or below 256
/// TiB, and a first byte that is always zero.
pub(super) fn is_lzma(ends: &Ends) -> bool {
    let dictionary = ends.le32(1);
    let size = u64::from_le_bytes(ends.array(5));
    let lowest = dictionary & dictionary.wrapping_neg();
    let rest = dictionary & !lowest;
    dictionary >= 4096
        && (rest == 0 || Some(rest) == lowest.checked_mul(2))
        && (size == u64::MAX || size >> 48 == 0 && size > 0)
        && ends.head.len() > 13
        && ends.byte(13) == 0
}

/// Returns whether the checksum of a VHD footer is right: the complement of the sum of
/// its other bytes.
pub(super) fn has_checksum(footer: &[u8]) -> bool {
    let own = VHD_CHECKSUM..VHD_CHECKSUM + 4;
    let others = footer
        .iter()
        .enumerate()
        .filter(|(at, _)| !own.contains(at));
    let sum: u32 = others.map(|(_, &byte)| u32::from(byte)).sum();
    let stored = footer.get(own.clone()).unwrap_or_default();
    stored == (!sum).to_be_bytes()
}
