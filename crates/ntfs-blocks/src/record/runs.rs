//! Run lists: the clusters of an attribute, each run told relative to the one before.

use crate::fault::Fault;

/// Bits of a head that are the bytes of the length; the others are those of the distance.
const LENGTH_BITS: u8 = 0x0f;
const NUMBER_BYTES: usize = 8;

/// Clusters that follow each other, on the disk and in the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first one on the disk; `None` is a hole.
    pub(crate) first: Option<u64>,
    pub(crate) length: u64,
}

/// The runs of a part of an attribute. After the last one, they are held against the
/// length of the part; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Runs<'a> {
    pairs: &'a [u8],
    at: usize,
    /// Where the last run on the disk began.
    before: i64,
    found: u64,
    needed: u64,
    clusters: u64,
    is_done: bool,
}

impl<'a> Runs<'a> {
    /// Those in `pairs`, which must be of `needed` clusters, on a volume of `clusters`.
    pub(crate) const fn new(pairs: &'a [u8], needed: u64, clusters: u64) -> Self {
        Self {
            pairs,
            at: 0,
            before: 0,
            found: 0,
            needed,
            clusters,
            is_done: false,
        }
    }

    fn step(&mut self) -> Result<Option<Run>, Fault> {
        let at = blockio::len_u64(self.at);
        let none = Fault::Run { at };
        let head = *self.pairs.get(self.at).ok_or(Fault::NoEnd)?;
        if head == 0 {
            let (found, needed) = (self.found, self.needed);
            if found != needed {
                return Err(Fault::Span { found, needed });
            }
            return Ok(None);
        }
        let start = self.at.saturating_add(1);
        let middle = start.saturating_add(usize::from(head & LENGTH_BITS));
        let end = middle.saturating_add(usize::from(head >> 4));
        let length = self.pairs.get(start..middle).and_then(number);
        let length = length.and_then(|length| u64::try_from(length).ok());
        let length = length.filter(|length| *length > 0).ok_or(none)?;
        self.found = self.found.saturating_add(length);
        self.at = end;
        let first = if middle == end {
            None
        } else {
            let distance = self.pairs.get(middle..end).and_then(number).ok_or(none)?;
            self.before = self.before.checked_add(distance).ok_or(none)?;
            Some(self.inside(length)?)
        };
        Ok(Some(Run { first, length }))
    }

    /// Where the run of `length` clusters begins, if they exist.
    fn inside(&self, length: u64) -> Result<u64, Fault> {
        let first = self.before;
        let start = u64::try_from(first).ok();
        let fits = |start: &u64| {
            let end = start.checked_add(length);
            end.is_some_and(|end| end <= self.clusters)
        };
        start.filter(fits).ok_or(Fault::Outside { first, length })
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Run, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let step = self.step();
        self.is_done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// A signed number of 1 to 8 bytes, least significant first.
fn number(bytes: &[u8]) -> Option<i64> {
    let fill = if *bytes.last()? & 0x80 == 0 { 0 } else { 0xff };
    let mut whole = [fill; NUMBER_BYTES];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[u8], needed: u64) -> Result<Vec<(Option<u64>, u64)>, Fault> {
        let runs = Runs::new(pairs, needed, 1000);
        runs.map(|run| run.map(|run| (run.first, run.length)))
            .collect()
    }

    #[test]
    fn runs_are_relative_and_signed() {
        let pairs = [
            0x11, 10, 100, 0x01, 5, 0x21, 2, 0x2c, 0x01, 0x12, 3, 0, 0x9c, 0,
        ];
        let all = [(Some(100), 10), (None, 5), (Some(400), 2), (Some(300), 3)];
        assert_eq!(runs(&pairs, 20), Ok(all.to_vec()));
        assert_eq!(runs(&[0], 0), Ok(vec![]));
        // Eight bytes of each.
        let pairs = [0x88, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(runs(&pairs, 1), Ok(vec![(Some(7), 1)]));
    }

    #[test]
    fn what_is_no_run_is_an_error() {
        for (pairs, fault) in [
            (&[][..], Fault::NoEnd),
            (&[0x11, 1, 1], Fault::NoEnd),
            // No length, a length of 0, a negative one, cut, and more than 8 bytes.
            (&[0x10, 1, 0], Fault::Run { at: 0 }),
            (&[0x11, 0, 1, 0], Fault::Run { at: 0 }),
            (&[0x11, 0x80, 1, 0], Fault::Run { at: 0 }),
            (&[0x11, 1, 1, 0x24, 1], Fault::Run { at: 3 }),
            (&[0x21, 1, 1], Fault::Run { at: 0 }),
            (
                &[0x19, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
                Fault::Run { at: 0 },
            ),
            (
                &[0x91, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
                Fault::Run { at: 0 },
            ),
        ] {
            assert_eq!(runs(pairs, 1), Err(fault), "{pairs:x?}");
        }
        let outside = |first, length| Err(Fault::Outside { first, length });
        assert_eq!(runs(&[0x11, 1, 0xff, 0], 1), outside(-1, 1));
        assert_eq!(runs(&[0x21, 1, 0xe8, 3, 0], 1), outside(1000, 1));
        assert_eq!(runs(&[0x21, 2, 0xe7, 3, 0], 2), outside(999, 2));
        let most = [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0];
        assert_eq!(runs(&most, 1), outside(1, u64::MAX >> 1));
        // The sum of distances passes 63 bits.
        let far = [
            0x81, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0x81, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0x7f, 0,
        ];
        assert_eq!(runs(&far, 2), Err(Fault::Run { at: 10 }));
        let span = |found, needed| Err(Fault::Span { found, needed });
        assert_eq!(runs(&[0x11, 2, 1, 0], 3), span(2, 3));
        assert_eq!(runs(&[0x11, 2, 1, 0x01, 2, 0], 3), span(4, 3));
        // Holes as long as numbers go.
        let hole = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let holes = [&hole[..], &hole, &hole, &[0]].concat();
        assert_eq!(runs(&holes, 3), span(u64::MAX, 3));
    }
}
