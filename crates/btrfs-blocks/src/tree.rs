//! Trees: their blocks, held against what refers to them, and walks through them.

mod block;
mod pointer;
mod reader;
mod walk;

pub(crate) use block::Item;
pub(crate) use pointer::Pointer;
pub(crate) use reader::Reader;
pub(crate) use walk::Walk;
