//! Images put together byte by byte, right and wrong, through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builder;
mod common;

/// What is on a disk, and where.
mod reading {
    mod chain;
    mod compressed;
    mod content;
    mod gate;
    mod map;
    mod slices;
    pub(crate) mod snapshots;
    pub(crate) mod subclusters;
}

/// The disk, written somewhere else, and what that costs.
mod restoring {
    mod arrival;
    mod costs;
    mod pipe;
    mod reflink;
    mod salvage;
    mod stopped;
    mod unpack;
    mod walks;
}

/// Images with something wrong.
mod wrong {
    mod arbitrary;
    mod findings;
    mod flips;
    mod refusals;
    mod trust;
}
