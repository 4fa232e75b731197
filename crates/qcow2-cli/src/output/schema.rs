//! The version of all JSON of our own.

/// Version of the JSON reports; raised when a field is removed or changes its meaning.
pub(crate) const SCHEMA: u32 = 1;
