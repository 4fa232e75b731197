//! Every kind of image, through the program and through the library.
//!
//! The recipes are in `fixtures::recipes`, family by family.

mod judge;
mod library;

use fixtures::recipes;

use judge::judge;

#[test]
fn clusters_of_every_size() {
    judge([recipes::sizes()]);
}

#[test]
fn refcounts_headers_and_flags() {
    judge([recipes::refcounts(), recipes::headers(), recipes::flags()]);
}

#[test]
fn headers_beyond_their_limits() {
    judge([recipes::bad_headers()]);
}

#[test]
fn subclusters() {
    judge([recipes::subclusters()]);
}

#[test]
fn compressed_and_shared_clusters() {
    judge([recipes::compressed(), recipes::dedup()]);
}

#[test]
fn zeros_and_preallocation() {
    judge([recipes::zeros(), recipes::preallocated()]);
}

#[test]
fn backing_chains_and_data_files() {
    judge([recipes::backing(), recipes::chains(), recipes::data_files()]);
}

#[test]
fn snapshots_and_bitmaps() {
    judge([
        recipes::snapshots(),
        recipes::snapshot_tables(),
        recipes::bitmaps(),
    ]);
}

#[test]
fn encrypted_images() {
    judge([recipes::encrypted()]);
}

#[test]
fn huge_disks_and_bombs() {
    judge([recipes::huge(), recipes::bombs()]);
}

#[test]
fn what_tools_made_of_images() {
    judge([recipes::tools(), recipes::filesystems()]);
}

#[test]
fn damaged_entries_and_streams() {
    judge([recipes::entries(), recipes::broken_streams()]);
}

#[test]
fn clusters_with_two_owners() {
    judge([recipes::crossed()]);
}

#[test]
fn truncated_files() {
    judge([recipes::truncated()]);
}
