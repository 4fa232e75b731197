//! Update sequences: the last two bytes of each stride of 512 bytes hold a number that
//! changes with every write, and what belongs there is stored in front. A structure that
//! was written in part is known by it.

use crate::bytes::{array, le16};
use crate::fault::Fault;

/// Bytes that one entry protects, whatever the sector size is.
const STRIDE: usize = 512;

/// Checks that `bytes`, which are whole strides, begin with `signature` and were written
/// as a whole, and puts back what belongs at the ends of the strides.
pub(crate) fn undo(bytes: &mut [u8], signature: [u8; 4]) -> Result<(), Fault> {
    let found = array(bytes, 0);
    if found != signature {
        return Err(Fault::Signature { found });
    }
    let (offset, count) = (le16(bytes, 4), le16(bytes, 6));
    let wrong = Fault::UpdateSequence { offset, count };
    let strides = bytes.len() / STRIDE;
    let needed = strides.saturating_add(1);
    // The first stride ends with what it protects.
    let fits = end(bytes) <= STRIDE.saturating_sub(2);
    if usize::from(count) != needed || offset < 8 || !offset.is_multiple_of(2) || !fits {
        return Err(wrong);
    }
    let start = usize::from(offset);
    let stored = bytes.get(start..end(bytes)).ok_or(wrong)?.to_vec();
    let (number, originals) = stored.split_at_checked(2).ok_or(wrong)?;
    let strides = bytes
        .chunks_exact_mut(STRIDE)
        .zip(originals.chunks_exact(2));
    for (stride, (bytes, original)) in strides.enumerate() {
        let tail = bytes.last_chunk_mut::<2>().ok_or(wrong)?;
        if tail != number {
            let stride = blockio::len_u64(stride);
            return Err(Fault::Torn { stride });
        }
        tail.copy_from_slice(original);
    }
    Ok(())
}

/// The byte after the update sequence of a structure.
pub(crate) fn end(bytes: &[u8]) -> usize {
    let length = usize::from(le16(bytes, 6)).saturating_mul(2);
    usize::from(le16(bytes, 4)).saturating_add(length)
}
