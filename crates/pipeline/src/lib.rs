//! An ordered parallel map with bounded queues and pooled buffers.
//!
//! ```text
//! inputs ──▶ work on all threads ──▶ emit, in the order of the inputs
//! ```
//!
//! The output depends on the inputs alone, never on the number of threads or on
//! timing. The crate does no I/O and knows no format.

mod ordered;
mod pool;

pub use ordered::{available_threads, ordered_map, ordered_map_with};
pub use pool::{BufferPool, PooledBuffer};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
