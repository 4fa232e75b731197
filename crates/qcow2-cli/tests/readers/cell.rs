//! What a reader makes of an image.

use std::path::Path;

use fixtures::Outcome;

/// Most characters of a reason.
const REASON_MAX: usize = 140;

/// What a reader makes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Every byte is right.
    Right,
    /// The reader reports success and gives other bytes.
    Wrong {
        /// Bytes that differ, in thousandths of the disk, at least one.
        per_mille: usize,
        /// Whether all of these are zeros.
        zeros: bool,
    },
    /// It refuses the image, or fails on the way.
    Refused(String),
    /// An inspector that does not read calls it safe.
    Accepted,
    /// The reader could not be installed.
    NotTried,
}

/// What the readers made of an image.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// One a reader, in their order.
    pub(super) cells: Vec<Cell>,
}

impl Cell {
    /// Of a reader that gave `got`, where the disk is `want`.
    pub(super) fn of_bytes(got: &[u8], want: &[u8]) -> Self {
        if got.len() != want.len() {
            let text = format!("{} bytes instead of {}", got.len(), want.len());
            return Self::Refused(text);
        }
        let differing = || got.iter().zip(want).filter(|(got, want)| got != want);
        match differing().count() {
            0 => Self::Right,
            count => Self::Wrong {
                per_mille: (count * 1000 / want.len()).max(1),
                zeros: differing().all(|(got, _)| *got == 0),
            },
        }
    }

    /// Of a reader that ended as `outcome` says, with an error. Paths below `folder`
    /// lose it.
    pub(super) fn refused(outcome: &Outcome, folder: &Path) -> Self {
        let said = [&outcome.stderr, &outcome.stdout];
        let lines = said.iter().flat_map(|text| text.lines().rev());
        let reason = lines
            .map(str::trim)
            .find(|line| line.contains(char::is_alphabetic) && !is_noise(line))
            .unwrap_or("it says nothing");
        let folder = format!("{}/", folder.display());
        let reason = reason.replace(&folder, "").replace('|', "/");
        Self::Refused(shortened(&reason))
    }
}

/// As many whole sentences of `reason` as fit, if one does.
fn shortened(reason: &str) -> String {
    if reason.chars().count() <= REASON_MAX {
        return reason.to_owned();
    }
    let start: String = reason.chars().take(REASON_MAX).collect();
    match start.rsplit_once(". ") {
        Some((sentences, _)) => format!("{sentences}."),
        None => start,
    }
}

/// Whether a line of an error says nothing of the reason.
fn is_noise(line: &str) -> bool {
    line.starts_with("note: ") || line.starts_with("Archives with Errors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_compared() {
        let of = |got: &[u8]| Cell::of_bytes(got, &[0, 1, 2, 3]);
        assert_eq!(of(&[0, 1, 2, 3]), Cell::Right);
        let wrong = |per_mille, zeros| Cell::Wrong { per_mille, zeros };
        assert_eq!(of(&[0, 0, 2, 0]), wrong(500, true));
        assert_eq!(of(&[0, 9, 2, 3]), wrong(250, false));
        assert!(matches!(of(&[0]), Cell::Refused(_)));
    }

    #[test]
    fn the_last_word_is_the_reason() {
        let outcome = Outcome {
            code: Some(1),
            stdout: "Reading\n".into(),
            stderr: "trace\nError: a/b/image: no\n\nnote: run it again\n".into(),
        };
        let cell = Cell::refused(&outcome, Path::new("a/b"));
        assert_eq!(cell, Cell::Refused("Error: image: no".into()));
        let long = format!("One. Two{}. Three", " more".repeat(20));
        assert!(shortened(&long).ends_with("Three"));
        let long = format!("One. Two{}. Three", " more".repeat(40));
        assert_eq!(shortened(&long), "One.");
        let silent = Outcome {
            stderr: String::new(),
            ..outcome
        };
        let cell = Cell::refused(&silent, Path::new("a/b"));
        assert_eq!(cell, Cell::Refused("Reading".into()));
    }
}
