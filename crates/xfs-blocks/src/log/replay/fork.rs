//! The forks of an inode, as they are logged and as they are stored.

use crate::bytes::{array, be16, byte};

/// Bytes of the core of an inode, before its data fork, by version.
const CORE_2: usize = 100;
const CORE_3: usize = 176;

/// Bytes before the keys of a root: in the log it is a btree block with long pointers, in
/// an inode it has nothing but its level and its number of records.
const LOGGED_ROOT_2: usize = 24;
const LOGGED_ROOT_3: usize = 72;
const STORED_ROOT: usize = 4;
/// Bytes of a key, and of a pointer.
const KEY: usize = 8;

/// `di_format` of a fork whose extents are in a btree.
pub(super) const FORM_BTREE: u8 = 3;

/// Where the data fork of `inode` begins, and its attribute fork, if it has one.
pub(super) fn starts(inode: &[u8]) -> (usize, Option<usize>) {
    let start = if byte(inode, 4) >= 3 { CORE_3 } else { CORE_2 };
    let attr = usize::from(byte(inode, 82)).saturating_mul(8);
    (start, (attr > 0).then(|| start.saturating_add(attr)))
}

/// Puts `bytes` at the start of a fork with `room`, if they fit.
pub(super) fn put(room: &mut [u8], bytes: &[u8]) -> bool {
    let place = room.get_mut(..bytes.len());
    place.map(|place| place.copy_from_slice(bytes)).is_some()
}

/// Puts the root of a btree into a fork with `room`, if it is one and fits. Keys are
/// followed by room for more, then by the pointers.
pub(super) fn put_root(room: &mut [u8], logged: &[u8], has_crc: bool) -> bool {
    let start = if has_crc {
        LOGGED_ROOT_3
    } else {
        LOGGED_ROOT_2
    };
    let (level, records) = (be16(logged, 4), usize::from(be16(logged, 6)));
    let most = |length: usize, start: usize| length.saturating_sub(start) / KEY / 2;
    let logged_most = most(logged.len(), start);
    let stored_most = most(room.len(), STORED_ROOT);
    if level == 0 || records > logged_most || records > stored_most {
        return false;
    }
    let head = (level.to_be_bytes(), be16(logged, 6).to_be_bytes());
    let halves =
        |start: usize, most: usize| [start, start.saturating_add(most.saturating_mul(KEY))];
    let parts = halves(start, logged_most)
        .into_iter()
        .zip(halves(STORED_ROOT, stored_most));
    for (from, into) in parts {
        for record in 0..records {
            let by = record.saturating_mul(KEY);
            let value = array::<KEY>(logged, from.saturating_add(by));
            let place = room.get_mut(into.saturating_add(by)..);
            if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
                *place = value;
            }
        }
    }
    for (place, value) in room.chunks_exact_mut(2).zip([head.0, head.1]) {
        place.copy_from_slice(&value);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_loses_its_header_and_keeps_the_room_between_keys_and_pointers() {
        let mut logged = vec![0; 72 + 3 * 16];
        logged[4..8].copy_from_slice(&[0, 1, 0, 2]);
        logged[72..88].copy_from_slice(b"key one key two ");
        logged[72 + 24..72 + 40].copy_from_slice(b"block 1 block 2 ");
        let mut room = vec![0xff; 4 + 4 * 16];
        assert!(put_root(&mut room, &logged, true));
        assert_eq!(room[..4], [0, 1, 0, 2]);
        assert_eq!(&room[4..20], b"key one key two ");
        assert_eq!(room[20..36], [0xff; 16]);
        assert_eq!(&room[36..52], b"block 1 block 2 ");
        // Too many records for the fork, or for what is logged.
        assert!(!put_root(&mut room[..4 + 31], &logged, true));
        logged[7] = 4;
        assert!(!put_root(&mut room, &logged, true));
        // A leaf is no root.
        logged[4..8].copy_from_slice(&[0, 0, 0, 1]);
        assert!(!put_root(&mut room, &logged, true));
    }

    #[test]
    fn forks_begin_after_the_core() {
        let mut inode = vec![0; 512];
        inode[4] = 3;
        assert_eq!(starts(&inode), (176, None));
        inode[82] = 24;
        assert_eq!(starts(&inode), (176, Some(368)));
        inode[4] = 2;
        assert_eq!(starts(&inode), (100, Some(292)));
    }
}
