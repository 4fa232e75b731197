//! Which blocks are used, and what is left out.

mod discardable;
mod freed;
pub(crate) mod ranges;
mod reads;
mod uninit;
