//! The entries of an indexed directory, in the order of their new hashes.

use ext_format::geometry::to_index;

use crate::directory::hash::{Algorithm, Hash};
use crate::directory::index::Index;
use crate::names::Case;

use super::outcome::Unindexed;
use super::scrambler::Scrambler;

/// The largest hash a name can have.
const HASH_MAX: u32 = 0xffff_fffc;

/// Set in the hash of a leaf whose first names have the hash of the last ones
/// of the leaf before.
const CONTINUED: u32 = 1;

/// An entry in a block of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    hash: Hash,
    /// Byte of the directory at which it begins.
    at: u32,
    /// Bytes it needs.
    bytes: u32,
}

/// Sorts the entries in the leaves of `blocks`, which have their new names, and
/// writes the hashes into the index. On an error nothing is changed.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets in a directory in memory"
)]
pub(super) fn sort(
    scrambler: &Scrambler<'_>,
    index: &Index,
    algorithm: Algorithm,
    blocks: &mut [u8],
) -> Result<(), Unindexed> {
    let block_bytes = scrambler.style.block_bytes;
    let mut places = places(scrambler, index, algorithm, blocks)?;
    places.sort_unstable();
    let rooms: Vec<usize> = index
        .leaves
        .iter()
        .map(|leaf| scrambler.area_bytes(block(blocks, block_bytes, *leaf)))
        .collect();
    let sizes: Vec<usize> = places.iter().map(|p| to_index(p.bytes.into())).collect();
    let counts = distribute(&sizes, &rooms, Fill::Even)
        .or_else(|| distribute(&sizes, &rooms, Fill::Whole))
        .ok_or(Unindexed::Overflow)?;
    let from = boundaries(&places, &counts).ok_or(Unindexed::Overflow)?;

    let mut sorted = Vec::with_capacity(index.leaves.len() * block_bytes);
    let mut rest = places.as_slice();
    for ((leaf, room), count) in index.leaves.iter().zip(&rooms).zip(counts) {
        let (here, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = after;
        let old = block(blocks, block_bytes, *leaf);
        let wrong = scrambler.leaf_error(old, *room);
        let start = sorted.len();
        sorted.resize(start + block_bytes, 0);
        let new = sorted.get_mut(start..).unwrap_or_default();
        if let (Some(tail), Some(old)) = (new.get_mut(*room..), old.get(*room..)) {
            tail.copy_from_slice(old);
        }
        fill(
            scrambler,
            blocks,
            here,
            new.get_mut(..*room).unwrap_or_default(),
        );
        scrambler.seal_leaf(new, wrong);
    }
    for (leaf, new) in index.leaves.iter().zip(sorted.chunks_exact(block_bytes)) {
        if let Some(old) = scrambler.block_mut(blocks, *leaf) {
            old.copy_from_slice(new);
        }
    }
    index.set_hashes(blocks, block_bytes, &from);
    Ok(())
}

fn block(blocks: &[u8], block_bytes: usize, number: usize) -> &[u8] {
    let block = blocks.chunks_exact(block_bytes).nth(number);
    block.unwrap_or_default()
}

/// Every entry in use, with the hash of its name.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets in a directory in memory"
)]
fn places(
    scrambler: &Scrambler<'_>,
    index: &Index,
    algorithm: Algorithm,
    blocks: &[u8],
) -> Result<Vec<Place>, Unindexed> {
    let block_bytes = scrambler.style.block_bytes;
    let mut places = Vec::new();
    for leaf in &index.leaves {
        let bytes = block(blocks, block_bytes, *leaf);
        let area = bytes.get(..scrambler.area_bytes(bytes)).unwrap_or_default();
        let mut at = 0;
        while at < area.len() {
            let entry = scrambler
                .format()
                .entry(area, at)
                .ok_or(Unindexed::Damaged)?;
            at = entry.bytes.end;
            if entry.inode == 0 {
                continue;
            }
            let name = area.get(entry.name.clone()).unwrap_or_default();
            // Images have no upper-case letters there: ASCII folds to itself.
            if scrambler.directory.case == Case::Folded && !name.is_ascii() {
                return Err(Unindexed::Casefold);
            }
            places.push(Place {
                hash: scrambler.style.hasher.hash(algorithm, name),
                at: small(leaf * block_bytes + entry.bytes.start),
                bytes: small(entry.needed_bytes()),
            });
        }
    }
    Ok(places)
}

/// A number of bytes of a directory in memory, which is far below 4 GiB.
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// How full leaves become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// All about the same.
    Even,
    /// As full as they can be, the last ones not at all.
    Whole,
}

/// How many of the entries of these sizes go into each leaf, in this order.
/// `None` where there are too many.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "sizes in a directory in memory; a leaf is left in each turn"
)]
fn distribute(sizes: &[usize], rooms: &[usize], fill: Fill) -> Option<Vec<usize>> {
    let mut left: usize = sizes.iter().sum();
    let mut sizes = sizes.iter().peekable();
    let mut counts = Vec::with_capacity(rooms.len());
    for (number, room) in rooms.iter().enumerate() {
        let wanted = match fill {
            Fill::Even => left.div_ceil(rooms.len() - number),
            Fill::Whole => *room,
        };
        let (mut used, mut count) = (0, 0);
        while used < wanted
            && let Some(size) = sizes.next_if(|size| used + **size <= *room)
        {
            used += size;
            count += 1;
        }
        left -= used;
        counts.push(count);
    }
    (left == 0).then_some(counts)
}

/// The hash from which on names are in each leaf. `None` where no hash is left
/// for the last leaves, which are empty.
fn boundaries(places: &[Place], counts: &[usize]) -> Option<Vec<u32>> {
    let mut from = Vec::with_capacity(counts.len());
    let mut rest = places;
    let mut last = None;
    for count in counts {
        let (here, after) = rest.split_at_checked(*count)?;
        rest = after;
        let hash = match (here, last) {
            ([first, ..], last) if Some(first.hash.major) == last => first.hash.major | CONTINUED,
            ([first, ..], _) => first.hash.major,
            ([], None) => 0,
            ([], Some(last)) => last.checked_add(2).filter(|hash| *hash <= HASH_MAX)?,
        };
        from.push(hash);
        last = Some(here.last().map_or(hash, |place| place.hash.major));
    }
    Some(from)
}

/// Writes entries into `area`; the last one takes what is left of it.
#[expect(clippy::arithmetic_side_effects, reason = "offsets in a block")]
fn fill(scrambler: &Scrambler<'_>, blocks: &[u8], places: &[Place], area: &mut [u8]) {
    let format = scrambler.format();
    let (mut start, mut end) = (0, 0);
    for place in places {
        let from = to_index(place.at.into());
        let bytes = to_index(place.bytes.into());
        start = end;
        end = start + bytes;
        if let (Some(new), Some(old)) = (area.get_mut(start..end), blocks.get(from..from + bytes)) {
            new.copy_from_slice(old);
        }
        format.set_length(area, start, bytes);
    }
    format.set_length(area, start, area.len() - start);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(majors: &[u32]) -> Vec<Place> {
        let hash = |major: &u32| Hash {
            major: *major,
            minor: 0,
        };
        let place = |major| Place {
            hash: hash(major),
            at: 0,
            bytes: 12,
        };
        majors.iter().map(place).collect()
    }

    #[test]
    fn leaves_are_filled_evenly_or_wholly() {
        let sizes = [12; 10];
        assert_eq!(
            distribute(&sizes, &[100; 4], Fill::Even),
            Some(vec![3, 3, 2, 2])
        );
        assert_eq!(
            distribute(&sizes, &[100; 4], Fill::Whole),
            Some(vec![8, 2, 0, 0])
        );
        assert_eq!(distribute(&sizes, &[24, 100], Fill::Even), Some(vec![2, 8]));
        assert_eq!(distribute(&sizes, &[24; 4], Fill::Even), None);
        assert_eq!(
            distribute(&[12; 2], &[24; 3], Fill::Even),
            Some(vec![1, 1, 0])
        );
        assert_eq!(distribute(&[], &[24; 2], Fill::Even), Some(vec![0, 0]));
        // Even ends with an entry too many where whole does not.
        let sizes = [6, 3, 3, 6, 2, 2];
        assert_eq!(distribute(&sizes, &[12, 10], Fill::Whole), Some(vec![3, 3]));
    }

    #[test]
    fn leaves_begin_with_the_hash_of_their_first_name() {
        let found = boundaries(&places(&[2, 4, 4, 4, 8]), &[1, 1, 2, 1]);
        assert_eq!(found, Some(vec![2, 4, 5, 8]));
    }

    #[test]
    fn empty_leaves_begin_behind_the_last_name() {
        assert_eq!(
            boundaries(&places(&[2, 8]), &[1, 1, 0, 0]),
            Some(vec![2, 8, 10, 12])
        );
        assert_eq!(boundaries(&[], &[0, 0, 0]), Some(vec![0, 2, 4]));
        assert_eq!(boundaries(&places(&[HASH_MAX]), &[1, 0]), None);
    }
}
