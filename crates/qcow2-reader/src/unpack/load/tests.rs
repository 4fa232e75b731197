use super::*;
use crate::unpack::output::{HOLE_BYTES_MIN, ZEROES_BYTES_MIN};

#[test]
fn parts_are_whole_blocks_between_the_zeros() {
    let mut bytes = vec![0; 10 * 4096 + 5];
    assert_eq!(parts_to_write(&bytes, HOLE_BYTES_MIN), []);
    bytes[4096] = 1;
    bytes[3 * 4096 - 1] = 1;
    bytes[4 * 4096] = 1;
    bytes[10 * 4096] = 1;
    let last = 10 * 4096..10 * 4096 + 5;
    assert_eq!(
        parts_to_write(&bytes, HOLE_BYTES_MIN),
        [4096..3 * 4096, 4 * 4096..5 * 4096, last.clone()]
    );
    assert_eq!(
        parts_to_write(&bytes, 2 * 4096),
        [4096..5 * 4096, last.clone()]
    );
    bytes[10 * 4096] = 0;
    bytes.resize(40 * 4096, 0);
    bytes[39 * 4096] = 1;
    assert_eq!(
        parts_to_write(&bytes, ZEROES_BYTES_MIN),
        [4096..5 * 4096, 39 * 4096..40 * 4096]
    );
    assert_eq!(parts_to_write(&[], HOLE_BYTES_MIN), []);
}
