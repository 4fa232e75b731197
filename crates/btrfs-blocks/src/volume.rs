//! Where the bytes of the filesystem (logical) are on this device.

mod chunk;
mod chunks;

pub(crate) use chunk::{Chunk, STRIPE_BYTES, Spread, flags};
pub(crate) use chunks::Chunks;
