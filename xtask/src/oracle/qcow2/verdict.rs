//! How an image is judged.

/// What came of a line.
pub(super) enum Verdict {
    Good,
    Skipped(&'static str),
    Wrong(String),
}
