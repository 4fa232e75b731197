//! Whether two disks hold data, zeros and nothing at the same places.

use blockio::{BoxError, ReadAt};

use crate::commands::map::{Entries, EntryError};
use crate::source::steady::Steady;

/// The first byte that one disk holds in another way than the other; both are equally long.
/// An error comes with the side it is of.
pub(super) fn first(one: &Steady, other: &Steady) -> Result<Option<u64>, (usize, BoxError)> {
    let size = one.size();
    let mut sides = [one, other].map(|side| Entries::new(&side.disk, 0..size));
    let mut held = [None, None];
    let mut at = 0;
    while at < size {
        for (index, (side, held)) in sides.iter_mut().zip(&mut held).enumerate() {
            let is_past = |end: u64| end <= at;
            while held.is_none_or(|(end, _)| is_past(end)) {
                let entry = match side.next() {
                    Some(Ok(entry)) => entry,
                    Some(Err(EntryError::Image(error))) => return Err((index, error.into())),
                    Some(Err(EntryError::Raw(error))) => return Err((index, error.into())),
                    None => return Err((index, "its map ends before the disk does".into())),
                };
                let end = entry.start.saturating_add(entry.length);
                *held = Some((end, entry.holds()));
            }
        }
        let [Some((a_end, a)), Some((b_end, b))] = held else {
            break;
        };
        if a != b {
            return Ok(Some(at));
        }
        at = a_end.min(b_end);
    }
    Ok(None)
}
