//! In how many pieces the data of a disk lies in its file.

use serde::Serialize;

use super::places::{Place, Run};

/// Classes of lengths: those below 64 KiB, below 128 KiB, and so on; the last has all that
/// are longer.
pub const LENGTH_CLASSES: usize = 12;

/// The shortest length of the second class, as a power of two.
const FIRST_BITS: u32 = 16;

/// In how many pieces the data of a disk lies in its file: a piece is read from start to
/// end while the disk is, and the next is elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pieces {
    /// How many there are.
    pub count: u64,
    /// How many of them lie before the one that was read last.
    pub backward: u64,
    /// Their lengths together, in bytes of the file.
    pub bytes: u64,
    /// The longest.
    pub longest_bytes: u64,
    /// How many there are of each class of lengths.
    pub classes: [u64; LENGTH_CLASSES],
    /// The piece that the next run may belong to.
    #[serde(skip)]
    current: Option<(u64, u64)>,
}

impl Pieces {
    /// The shortest length of the class with this index, in bytes.
    #[must_use]
    pub fn class_start(index: usize) -> u64 {
        match u32::try_from(index) {
            Ok(0) | Err(_) => 0,
            Ok(index) => 1u64
                .checked_shl(FIRST_BITS.saturating_add(index).saturating_sub(1))
                .unwrap_or(u64::MAX),
        }
    }

    /// Mean length of a piece.
    #[must_use]
    pub fn mean_bytes(&self) -> u64 {
        self.bytes.checked_div(self.count).unwrap_or(0)
    }

    /// Takes in the next run of the disk.
    pub(crate) fn add(&mut self, run: &Run) {
        let length = run.guest.end.saturating_sub(run.guest.start);
        let (start, end, is_stream) = match run.place {
            Place::Plain(host) => (host, host.saturating_add(length), false),
            Place::Stream { host, bytes } => (host, host.saturating_add(bytes), true),
            _ => return,
        };
        match &mut self.current {
            // A stream may begin in the last sector of the one before, and the end of that is
            // known to a sector; parts of a cluster share their stream.
            Some((first, last))
                if start == *last || is_stream && (*first..=*last).contains(&start) =>
            {
                *last = end.max(*last);
            }
            _ => {
                let is_back = self.current.is_some_and(|(first, _)| start < first);
                self.backward = self.backward.saturating_add(is_back.into());
                self.end();
                self.current = Some((start, end));
            }
        }
    }

    /// Counts the last piece.
    pub(crate) fn end(&mut self) {
        let Some((start, end)) = self.current.take() else {
            return;
        };
        let bytes = end.saturating_sub(start);
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.longest_bytes = self.longest_bytes.max(bytes);
        let class = bytes
            .checked_ilog2()
            .unwrap_or(0)
            .saturating_sub(FIRST_BITS - 1);
        let class = usize::try_from(class).unwrap_or(0).min(LENGTH_CLASSES - 1);
        if let Some(count) = self.classes.get_mut(class) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(runs: &[(std::ops::Range<u64>, Place)]) -> Pieces {
        let mut pieces = Pieces::default();
        for (guest, place) in runs {
            pieces.add(&Run {
                guest: guest.clone(),
                place: *place,
            });
        }
        pieces.end();
        pieces
    }

    #[test]
    fn what_follows_in_the_file_is_one_piece() {
        const K: u64 = 1 << 10;
        let found = pieces(&[
            (0..64 * K, Place::Plain(640 * K)),
            (64 * K..128 * K, Place::Nowhere),
            (128 * K..192 * K, Place::Plain(704 * K)),
            (192 * K..256 * K, Place::Plain(64 * K)),
            (256 * K..320 * K, Place::Plain(1024 * K)),
            (320 * K..384 * K, Place::Elsewhere),
        ]);
        assert_eq!((found.count, found.backward), (3, 1));
        assert_eq!((found.bytes, found.longest_bytes), (256 * K, 128 * K));
        assert_eq!(found.mean_bytes(), 256 * K / 3);
        assert_eq!(found.classes[..4], [0, 2, 1, 0]);
    }

    #[test]
    fn streams_that_share_a_sector_are_one_piece() {
        let stream = |host, bytes| Place::Stream { host, bytes };
        let found = pieces(&[
            (0..100, stream(1000, 536)),
            (100..200, stream(1000, 536)),
            (200..300, stream(1400, 648)),
            (300..400, stream(2048, 512)),
            (400..500, stream(4096, 512)),
        ]);
        assert_eq!((found.count, found.backward), (2, 0));
        assert_eq!(found.bytes, 1560 + 512);
    }

    #[test]
    fn classes_begin_at_powers_of_two() {
        assert_eq!(Pieces::class_start(0), 0);
        assert_eq!(Pieces::class_start(1), 64 << 10);
        assert_eq!(Pieces::class_start(11), 64 << 20);
        assert_eq!(pieces(&[(0..1 << 40, Place::Plain(0))]).classes[11], 1);
        assert_eq!(pieces(&[(0..65535, Place::Plain(0))]).classes[0], 1);
        assert_eq!(pieces(&[(0..65536, Place::Plain(0))]).classes[1], 1);
    }
}
