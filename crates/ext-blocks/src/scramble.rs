//! Names that tell nothing.

mod entries;
mod hash;
mod key;
mod names;
