//! Names that tell nothing.

mod attributes;
mod directory;
mod entries;
mod hash;
mod index;
mod key;
mod names;
