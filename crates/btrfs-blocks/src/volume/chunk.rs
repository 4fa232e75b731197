//! A chunk: a range of the filesystem, and its stripes on devices. Linux, `struct
//! btrfs_chunk`, and `__btrfs_map_block` for the order of stripes.

use crate::bytes::{array, le16, le64};
use crate::finding::Distrust;
use crate::superblock::{Device, Superblock};

/// Bytes that lie on one device before the next one takes its turn. There is no other size.
pub(crate) const STRIPE_BYTES: u64 = 64 << 10;

/// Bytes of a chunk item before its stripes, and of each stripe.
const HEAD_BYTES: usize = 48;
const STRIPE_ITEM_BYTES: usize = 32;

/// What a chunk holds, and how it is laid out.
pub(crate) mod flags {
    pub(crate) const DATA: u64 = 1;
    pub(crate) const SYSTEM: u64 = 2;
    pub(crate) const METADATA: u64 = 4;
    /// What a chunk holds.
    pub(crate) const TYPES: u64 = 7;
    pub(crate) const RAID0: u64 = 1 << 3;
    pub(crate) const RAID1: u64 = 1 << 4;
    pub(crate) const DUP: u64 = 1 << 5;
    pub(crate) const RAID10: u64 = 1 << 6;
    pub(crate) const RAID5: u64 = 1 << 7;
    pub(crate) const RAID6: u64 = 1 << 8;
    pub(crate) const RAID1C3: u64 = 1 << 9;
    pub(crate) const RAID1C4: u64 = 1 << 10;
}

/// How the bytes of a chunk are spread over its stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Every stripe holds all of them.
    Copies,
    /// They take turns, in groups of so many that hold the same.
    Turns { copies: u64 },
    /// They take turns, and in each row so many hold parity.
    Parity { parities: u64 },
}

/// A stripe of a chunk on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe {
    /// Its number among the stripes of the chunk.
    pub(crate) index: u64,
    /// Where it starts on the disk.
    pub(crate) at: u64,
}

/// A place that holds the byte of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where, in bytes of the disk; `None` if it is on another device.
    pub(crate) at: Option<u64>,
    /// Bytes of the chunk that follow each other there.
    pub(crate) bytes: u64,
}

/// A range of the filesystem, and its stripes on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) flags: u64,
    pub(crate) spread: Spread,
    /// Stripes on all devices.
    stripes: u64,
    /// Those on this device.
    pub(crate) own: Box<[Stripe]>,
}

impl Chunk {
    /// The chunk at the start of `bytes`, which begins at `start` of the filesystem, and how
    /// many bytes describe it.
    pub(crate) fn decode(
        start: u64,
        bytes: &[u8],
        superblock: &Superblock,
    ) -> Result<(Self, usize), Distrust> {
        let fault = |what| Distrust::Chunk { start, what };
        let stripes = le16(bytes, 44);
        let stripe_bytes = usize::from(stripes).saturating_mul(STRIPE_ITEM_BYTES);
        let length = HEAD_BYTES.saturating_add(stripe_bytes);
        let (Some(items), true) = (bytes.get(HEAD_BYTES..length), stripes > 0) else {
            return Err(fault("it has no stripes, or they are cut off"));
        };
        if le64(bytes, 16) != STRIPE_BYTES {
            return Err(fault("its stripes are not of 64 KiB"));
        }
        let flags = le64(bytes, 24);
        let spread = spread(flags, stripes.into(), le16(bytes, 46)).map_err(fault)?;
        let chunk = Self {
            start,
            length: le64(bytes, 0),
            flags,
            spread,
            stripes: stripes.into(),
            own: own_stripes(items, superblock.device).map_err(fault)?,
        };
        chunk.check(superblock).map_err(fault)?;
        Ok((chunk, length))
    }

    fn check(&self, superblock: &Superblock) -> Result<(), &'static str> {
        let sector = u64::from(superblock.sector);
        let is_aligned = self.start.is_multiple_of(sector) && self.length.is_multiple_of(sector);
        if self.length == 0 || !is_aligned || self.start.checked_add(self.length).is_none() {
            return Err("it has no length, or is not of whole sectors");
        }
        let types = self.flags & flags::TYPES;
        let is_mixed = types == flags::DATA | flags::METADATA && superblock.has_mixed_groups();
        if !is_mixed && !matches!(types, flags::DATA | flags::SYSTEM | flags::METADATA) {
            return Err("what it holds is not known");
        }
        let turns = self.turns();
        let row = turns.saturating_mul(STRIPE_BYTES);
        if turns > 1 && !self.length.is_multiple_of(row) {
            return Err("it is not of whole rows of stripes");
        }
        // The kernel spreads stripes over devices, but for the copies of DUP.
        if self.own.len() > 1 && self.flags & flags::DUP == 0 {
            return Err("more than one stripe is on this device");
        }
        let is_far = |stripe: &Stripe| {
            let end = stripe.at.checked_add(self.stripe_bytes());
            end.is_none_or(|end| end > superblock.device.bytes)
        };
        if self.own.iter().any(is_far) {
            return Err("a stripe passes the end of its device");
        }
        Ok(())
    }

    pub(crate) const fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Whether it may hold blocks of trees.
    pub(crate) const fn has_trees(&self) -> bool {
        self.flags & (flags::METADATA | flags::SYSTEM) != 0
    }

    /// Whether it may hold contents of files.
    pub(crate) const fn has_data(&self) -> bool {
        self.flags & flags::DATA != 0
    }

    /// Stripes with different bytes of the filesystem in each row.
    pub(crate) fn turns(&self) -> u64 {
        let turns = match self.spread {
            Spread::Copies => 1,
            Spread::Turns { copies } => self.stripes.checked_div(copies).unwrap_or(1),
            Spread::Parity { parities } => self.stripes.saturating_sub(parities),
        };
        turns.max(1)
    }

    /// Bytes of each stripe.
    pub(crate) fn stripe_bytes(&self) -> u64 {
        self.length.checked_div(self.turns()).unwrap_or(0)
    }

    /// How many places hold the same bytes.
    pub(crate) const fn copies(&self) -> u64 {
        match self.spread {
            Spread::Copies => self.stripes,
            Spread::Turns { copies } => copies,
            Spread::Parity { .. } => 1,
        }
    }

    /// Where the byte at `offset` of the chunk is, in the copy of that number.
    pub(crate) fn place(&self, offset: u64, copy: u64) -> Place {
        let inside = offset.wrapping_rem(STRIPE_BYTES);
        let number = offset.wrapping_div(STRIPE_BYTES);
        let (row, column) = (
            number.checked_div(self.turns()).unwrap_or(0),
            number.checked_rem(self.turns()).unwrap_or(0),
        );
        let left = STRIPE_BYTES.saturating_sub(inside);
        let in_stripe = row.saturating_mul(STRIPE_BYTES).saturating_add(inside);
        let (index, in_stripe, bytes) = match self.spread {
            Spread::Copies => (copy, offset, self.length.saturating_sub(offset)),
            Spread::Turns { copies } => {
                let first = column.saturating_mul(copies);
                (first.saturating_add(copy), in_stripe, left)
            }
            // The parity moves on by one stripe in each row.
            Spread::Parity { .. } => {
                let index = row.saturating_add(column).checked_rem(self.stripes);
                (index.unwrap_or(0), in_stripe, left)
            }
        };
        let stripe = self.own.iter().find(|stripe| stripe.index == index);
        Place {
            at: stripe.map(|stripe| stripe.at.saturating_add(in_stripe)),
            bytes,
        }
    }
}

/// How a chunk of so many stripes is spread. `sub` are its stripes that hold the same, which
/// only RAID10 uses.
fn spread(found: u64, stripes: u64, sub: u16) -> Result<Spread, &'static str> {
    let (spread, is_right) = match found & !flags::TYPES {
        0 => (Spread::Copies, stripes == 1),
        flags::DUP | flags::RAID1 => (Spread::Copies, stripes == 2),
        flags::RAID1C3 => (Spread::Copies, stripes == 3),
        flags::RAID1C4 => (Spread::Copies, stripes == 4),
        flags::RAID0 => (Spread::Turns { copies: 1 }, true),
        flags::RAID10 => (
            Spread::Turns { copies: 2 },
            sub == 2 && stripes.is_multiple_of(2),
        ),
        flags::RAID5 => (Spread::Parity { parities: 1 }, stripes >= 2),
        flags::RAID6 => (Spread::Parity { parities: 2 }, stripes >= 3),
        _ => return Err("how it is laid out is not known"),
    };
    if is_right {
        Ok(spread)
    } else {
        Err("it has too few or too many stripes")
    }
}

/// The stripes on `device`.
fn own_stripes(items: &[u8], device: Device) -> Result<Box<[Stripe]>, &'static str> {
    let mut own = Vec::new();
    for (index, item) in (0..).zip(items.chunks_exact(STRIPE_ITEM_BYTES)) {
        if le64(item, 0) != device.id {
            continue;
        }
        if array::<16>(item, 16) != device.uuid {
            return Err("a stripe is on a device with this one's number and another UUID");
        }
        let at = le64(item, 8);
        own.push(Stripe { index, at });
    }
    Ok(own.into())
}
