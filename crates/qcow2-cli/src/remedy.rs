//! Hints: what the user can do about a refusal.

mod file;
mod image;

pub(crate) use file::{end_of, for_pack, of_file};
pub(crate) use image::{Reading, SALVAGE, of_image};
