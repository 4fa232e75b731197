//! Which cells of one picture belong to which of the other.

use std::ops::Range;

use serde::{Serialize, Serializer};

/// Bits in a word.
const WORD_BITS: usize = 64;

/// Longest list of runs of a row; one with more is written as its bits, which are never
/// longer.
const RUNS_MAX: usize = 48;

/// Which cells of the file hold bytes of which cells of the disk: one bit for each pair, at
/// most 512 KiB of them.
#[derive(Clone, Debug)]
pub struct Links {
    words: Vec<u64>,
    words_per_row: usize,
    columns: usize,
}

impl Links {
    /// No links between `rows` cells of the disk and `columns` cells of the file.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let words_per_row = columns.div_ceil(WORD_BITS);
        Self {
            words: vec![0; rows.saturating_mul(words_per_row)],
            words_per_row,
            columns,
        }
    }

    /// Links the cell `row` of the disk with the cells `columns` of the file.
    pub(crate) fn add(&mut self, row: usize, columns: Range<usize>) {
        let start = row.saturating_mul(self.words_per_row);
        for column in columns.start..columns.end.min(self.columns) {
            let word = column / WORD_BITS;
            if let Some(word) = self.words.get_mut(start.saturating_add(word)) {
                *word |= 1 << (column % WORD_BITS);
            }
        }
    }

    /// The cells of the file that hold bytes of the cell `row` of the disk.
    pub fn row(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let start = row.saturating_mul(self.words_per_row);
        let end = start.saturating_add(self.words_per_row);
        let words = self.words.get(start..end).unwrap_or_default();
        words.iter().enumerate().flat_map(|(index, word)| {
            let first = index.saturating_mul(WORD_BITS);
            let bits = (0..WORD_BITS).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| first.saturating_add(bit))
        })
    }

    fn rows(&self) -> usize {
        self.words
            .len()
            .checked_div(self.words_per_row)
            .unwrap_or(0)
    }

    fn row_form(&self, row: usize) -> RowForm {
        let mut runs: Vec<usize> = Vec::new();
        for column in self.row(row) {
            match runs.last_mut() {
                Some(end) if *end == column => *end = column.saturating_add(1),
                _ => runs.extend([column, column.saturating_add(1)]),
            }
        }
        if runs.len() <= RUNS_MAX {
            return RowForm::Runs(runs);
        }
        let start = row.saturating_mul(self.words_per_row);
        let end = start.saturating_add(self.words_per_row);
        let words = self.words.get(start..end).unwrap_or_default();
        // Lowest bit first, four to a digit.
        let digits = words.iter().flat_map(|word| {
            let shifts = (0..u64::BITS).step_by(4);
            shifts.map(move |shift| {
                let bits = u32::try_from(word >> shift & 15).unwrap_or(0);
                char::from_digit(bits, 16).unwrap_or('0')
            })
        });
        RowForm::Bits(digits.collect())
    }
}

/// A row as the page has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum RowForm {
    /// Start and end of each run.
    Runs(Vec<usize>),
    /// Four cells a digit, the first in its lowest bit.
    Bits(String),
}

impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.rows()).map(|row| self.row_form(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_two_forms() {
        let mut links = Links::new(3, 130);
        links.add(0, 3..5);
        links.add(0, 4..7);
        links.add(0, 128..200);
        for column in (0..130).step_by(2) {
            links.add(2, column..column + 1);
        }
        assert_eq!(links.row(0).collect::<Vec<_>>(), [3, 4, 5, 6, 128, 129]);
        assert_eq!(links.row(1).count(), 0);
        assert_eq!(links.row(2).count(), 65);
        let json = serde_json::to_string(&links).unwrap();
        let fives = "5".repeat(32);
        assert_eq!(
            json,
            format!(r#"[[3,7,128,130],[],"{fives}1000000000000000"]"#)
        );
    }

    #[test]
    fn nothing_is_linked_where_there_is_nothing() {
        let mut links = Links::new(4, 0);
        links.add(1, 0..9);
        assert_eq!(links.row(1).count(), 0);
        assert_eq!(serde_json::to_string(&links).unwrap(), "[]");
    }
}
