//! Which of the files that are read an image has its parts in.

/// Where the parts of an image are, as indices of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    /// The image itself: tables and compressed clusters.
    pub image: usize,
    /// Its plain clusters.
    pub data: usize,
}
