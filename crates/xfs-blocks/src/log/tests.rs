//! Logs assembled by hand.

mod hostile;
mod image;
mod inodes;
mod items;
mod kernel;
mod state;

/// Whether tests that take long may do so: `QCOW2_TESTS` is `full`.
fn is_full() -> bool {
    std::env::var_os("QCOW2_TESTS").is_some_and(|level| level == "full")
}
