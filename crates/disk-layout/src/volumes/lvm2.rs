//! The format of LVM2: what a physical volume says of itself and of its group. Nothing
//! here decides what is kept.
//!
//! The format has no document; its facts are those of `man pvck`, `man lvmconfig` and of
//! volumes that the tools made.

pub(super) mod area;
mod bytes;
pub(super) mod doubt;
pub(super) mod group;
pub(super) mod id;
pub(super) mod label;
pub(super) mod logical;
pub(super) mod members;
pub(super) mod text;

use crc::{Algorithm, CRC_32_ISO_HDLC, Crc, Table};

/// The unit that the text counts in.
pub(super) const SECTOR_BYTES: u64 = 512;

/// The CRC-32 of Ethernet with a start of its own, and not inverted at the end.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&Algorithm {
    init: 0xf597_a6cf_u32.reverse_bits(),
    xorout: 0,
    ..CRC_32_ISO_HDLC
});
