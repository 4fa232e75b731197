//! Asks storage where its data is, once for each range.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::ReadAt;

/// The last answer of storage about its holes and data.
///
/// A filesystem may examine every page of a range of data to find its end. Calling
/// [`ReadAt::next_data`] for each part of that range would take time that grows with
/// the square of its length. Code that walks through storage therefore asks through
/// this, and keeps it for the whole walk. Other code calls `next_data` only to pass
/// the call on.
#[derive(Debug)]
pub struct Holes(Mutex<Known>);

/// One answer.
#[derive(Debug)]
struct Known {
    /// From here to the start of the data is a hole.
    asked: u64,
    /// Empty if only a hole follows.
    data: Range<u64>,
}

impl Holes {
    /// Starts without an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Known {
            asked: 0,
            data: 0..0,
        }))
    }

    /// Returns the first run of bytes of `storage` at or after `from` that may hold
    /// anything but zeros, or `None` if only zeros follow. It is never empty and starts
    /// at `from` or after it. `storage` must be the same each time.
    ///
    /// # Errors
    ///
    /// Whatever the storage reports.
    pub fn next_data<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        from: u64,
    ) -> io::Result<Option<Range<u64>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if from < known.asked || from >= known.data.end {
            let data = match storage.next_data(from)? {
                None => u64::MAX..u64::MAX,
                // Not a valid answer: everything has to be taken for data.
                Some(data) if data.end <= from.max(data.start) => from..storage.size(),
                Some(data) => data,
            };
            *known = Known { asked: from, data };
        }
        let data = known.data.start.max(from)..known.data.end;
        Ok((!data.is_empty()).then_some(data))
    }

    /// Records bytes that were written to the storage since it was asked, so that they
    /// are not taken for a hole.
    pub fn written(&self, bytes: &Range<u64>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { asked, data } = &mut *known;
        if bytes.is_empty() || bytes.end <= *asked || bytes.start >= data.start {
            return;
        }
        if bytes.end < data.start {
            *asked = bytes.end;
        } else if data.is_empty() {
            *known = Known {
                asked: u64::MAX,
                data: 0..0,
            };
        } else {
            data.start = bytes.start.max(*asked);
        }
    }
}

impl Default for Holes {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, Double, Sparse};

    /// Storage of 1000 bytes with data in these ranges.
    fn storage(data: &[Range<u64>]) -> Double<Sparse> {
        Double::new(Sparse::new(1000)).with_data(data)
    }

    #[test]
    fn each_range_is_asked_for_once() {
        let data = [100..300, 301..400, 900..1000];
        let storage = storage(&data);
        let holes = Holes::new();
        for from in 0..1100 {
            let want = data.iter().find(|data| data.end > from);
            let want = want.map(|data| data.start.max(from)..data.end);
            assert_eq!(holes.next_data(&storage, from).unwrap(), want, "{from}");
        }
        // Three ranges, and nothing after them.
        assert_eq!(storage.calls().len(), 4);
        assert_eq!(holes.next_data(&storage, 99).unwrap(), Some(100..300));
        assert_eq!(storage.calls(), [Call::NextData(99)]);
    }

    #[test]
    fn a_wrong_answer_is_held_for_data() {
        for (start, end) in [(10, 10), (20, 19), (700, 600)] {
            let storage = Double::new(Sparse::new(1000)).always_saying(start..end);
            let holes = Holes::new();
            assert_eq!(holes.next_data(&storage, 30).unwrap(), Some(30..1000));
        }
    }

    #[test]
    fn what_is_written_is_no_hole_and_costs_no_question_behind_it() {
        let mut data: Vec<_> = std::iter::once(900..1000).collect();
        let storage = storage(&data);
        let holes = Holes::new();
        assert_eq!(holes.next_data(&storage, 0).unwrap(), Some(900..1000));
        for at in (10..890).step_by(10) {
            data.insert(data.len() - 1, at..at + 5);
            storage.set_data(&data);
            holes.written(&(at..at + 5));
            assert_eq!(
                holes.next_data(&storage, at + 5).unwrap(),
                Some(900..1000),
                "{at}"
            );
        }
        assert_eq!(storage.calls().len(), 1);
        assert_eq!(holes.next_data(&storage, 12).unwrap(), Some(12..15));
        assert_eq!(holes.next_data(&storage, 16).unwrap(), Some(20..25));
        data.insert(1, 17..20);
        storage.set_data(&data);
        holes.written(&(17..20));
        assert_eq!(holes.next_data(&storage, 16).unwrap(), Some(17..25));
        assert_eq!(storage.calls().len(), 2);
        // Where nothing followed, something does.
        assert_eq!(holes.next_data(&storage, 1000).unwrap(), None);
        data.push(1000..2000);
        storage.set_data(&data);
        holes.written(&(1000..2000));
        assert_eq!(holes.next_data(&storage, 1000).unwrap(), Some(1000..2000));
        holes.written(&(0..0));
        holes.written(&(0..u64::MAX));
        assert_eq!(holes.next_data(&storage, 1500).unwrap(), Some(1500..2000));
    }
}
