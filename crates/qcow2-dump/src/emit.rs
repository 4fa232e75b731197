//! The ranges of a file, joined, shown and added up.

use std::ops::{ControlFlow, Range};

use crate::kind::Kind;

/// What the bytes of one kind come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Total {
    /// What they are.
    pub kind: Kind,
    /// How many structures there are: tables, blocks, and for guest data the entries that
    /// name it. 0 of what is not named.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Ranges of the file that they are in.
    pub ranges: u64,
}

/// Hears of the ranges of a file, one after the other, and can end that.
pub(crate) type Each<'e> = &'e mut dyn FnMut(Range<u64>, Kind) -> ControlFlow<()>;

/// Joins ranges of one kind, shows them and adds them up.
pub(crate) struct Emit<'e> {
    each: Each<'e>,
    held: Option<(Range<u64>, Kind)>,
    totals: [(u64, u64); Kind::ALL.len()],
    /// Nobody wants to hear of more.
    is_heard: bool,
    /// Length of the file in bytes.
    end: u64,
}

impl<'e> Emit<'e> {
    /// Shows ranges to `each`, up to byte `end`.
    pub(crate) fn new(end: u64, each: Each<'e>) -> Self {
        Self {
            each,
            held: None,
            totals: [(0, 0); Kind::ALL.len()],
            is_heard: true,
            end,
        }
    }

    /// Adds a range, which follows the one before it.
    pub(crate) fn push(&mut self, range: Range<u64>, kind: Kind) {
        let range = range.start.min(self.end)..range.end.min(self.end);
        if range.is_empty() {
            return;
        }
        match &mut self.held {
            Some((held, of)) if *of == kind => held.end = range.end,
            _ => {
                self.flush();
                self.held = Some((range, kind));
            }
        }
    }

    fn flush(&mut self) {
        let Some((range, kind)) = self.held.take() else {
            return;
        };
        if let Some((bytes, ranges)) = self.totals.get_mut(kind.index()) {
            *bytes = bytes.saturating_add(range.end.saturating_sub(range.start));
            *ranges = ranges.saturating_add(1);
        }
        self.is_heard = self.is_heard && (self.each)(range, kind).is_continue();
    }

    /// What all ranges come to.
    pub(crate) fn finish(mut self) -> Vec<Total> {
        self.flush();
        let totals = Kind::ALL.into_iter().zip(self.totals);
        totals
            .map(|(kind, (bytes, ranges))| Total {
                kind,
                count: 0,
                bytes,
                ranges,
            })
            .collect()
    }
}
