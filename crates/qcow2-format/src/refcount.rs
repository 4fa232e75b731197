//! Refcount table and refcount blocks. Spec: "Host cluster management".

use core::ops::Range;

use byteorder::{BigEndian, ByteOrder};

use crate::rule::aligned;
use crate::{ClusterBits, Error, HostOffset, RefcountError, bytes};

/// Bits 9 to 63: the offset of a refcount block.
const TABLE_OFFSET_MASK: u64 = 0xffff_ffff_ffff_fe00;

/// Log2 of the width of a refcount in bits: 0 (1 bit) to 6 (64 bits). Spec:
/// "Header", bytes 96 to 99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefcountOrder(u32);

impl RefcountOrder {
    /// 16 bits: QEMU's default, and the only width of version 2.
    pub const DEFAULT: Self = Self(4);

    /// Refcounts of `1 << order` bits.
    ///
    /// # Errors
    ///
    /// [`Error::RefcountOrder`] if `order` is above 6.
    pub fn new(order: u32) -> Result<Self, Error> {
        if order <= 6 {
            Ok(Self(order))
        } else {
            Err(Error::RefcountOrder { found: order })
        }
    }

    /// Refcounts of `width_bits` bits.
    ///
    /// # Errors
    ///
    /// [`Error::RefcountWidth`] if that is not a power of two in 1 to 64.
    pub fn from_bits(width_bits: u32) -> Result<Self, Error> {
        width_bits
            .is_power_of_two()
            .then(|| Self::new(width_bits.trailing_zeros()).ok())
            .flatten()
            .ok_or(Error::RefcountWidth { found: width_bits })
    }

    /// Log2 of the width in bits.
    #[must_use]
    pub const fn order(self) -> u32 {
        self.0
    }

    /// The width, in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        1 << self.0
    }

    /// The greatest refcount that fits.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "the width is 1 to 64")]
    pub const fn max(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// Refcounts in one block, which is one cluster.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "at most 2 MiB of 8 bits each; the order is at most 6"
    )]
    pub const fn entries_per_block(self, cluster_bits: ClusterBits) -> u64 {
        (cluster_bits.bytes() * 8) >> self.0
    }

    /// Refcount `index` of `block`, or `None` past its end.
    #[must_use]
    pub fn get(self, block: &[u8], index: u64) -> Option<u64> {
        if let Some((at, shift)) = self.bit_place(index) {
            let byte = u64::from(*block.get(usize::try_from(at).ok()?)?);
            return Some(byte >> shift & self.max());
        }
        let bytes = block.get(self.byte_range(index..index.checked_add(1)?)?)?;
        Some(match self.0 {
            3 => u64::from(*bytes.first()?),
            4 => BigEndian::read_u16(bytes).into(),
            5 => BigEndian::read_u32(bytes).into(),
            _ => BigEndian::read_u64(bytes),
        })
    }

    /// Makes refcount `index` of `block` `value`.
    ///
    /// # Errors
    ///
    /// [`RefcountError::TooLarge`] if `value` does not fit,
    /// [`RefcountError::Index`] past the end of the block; nothing is changed
    /// then.
    pub fn set(self, block: &mut [u8], index: u64, value: u64) -> Result<(), Error> {
        self.fill(block, index..index.saturating_add(1), value)
    }

    /// Makes the refcounts `indexes` of `block` `value`, whole runs at a time.
    ///
    /// ```
    /// use qcow2_format::RefcountOrder;
    ///
    /// let mut block = [0; 8];
    /// RefcountOrder::from_bits(16)?.fill(&mut block, 1..3, 1)?;
    /// assert_eq!(block, [0, 0, 0, 1, 0, 1, 0, 0]);
    /// # Ok::<(), qcow2_format::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Self::set`].
    pub fn fill(self, block: &mut [u8], indexes: Range<u64>, value: u64) -> Result<(), Error> {
        if value > self.max() {
            return Err(RefcountError::TooLarge {
                found: value,
                max: self.max(),
            }
            .into());
        }
        let entries = bytes::length(block).saturating_mul(8) >> self.0;
        if indexes.end > entries {
            return Err(RefcountError::Index {
                end: indexes.end,
                entries,
            }
            .into());
        }
        if self.0 < 3 {
            self.fill_bits(block, indexes, value);
        } else if let Some(run) = self.byte_range(indexes).and_then(|at| block.get_mut(at)) {
            fill_integers(run, self.bits(), value);
        }
        Ok(())
    }

    /// The bytes of the refcounts `indexes` of 8 bits or more.
    fn byte_range(self, indexes: Range<u64>) -> Option<Range<usize>> {
        let byte = |index: u64| {
            let bits = index.checked_mul(self.bits().into())?;
            usize::try_from(bits >> 3).ok()
        };
        Some(byte(indexes.start)?..byte(indexes.end)?)
    }

    /// For refcounts below 8 bits: the byte that holds refcount `index`, and
    /// its lowest bit therein, counted from the least significant.
    fn bit_place(self, index: u64) -> Option<(u64, u32)> {
        let per_byte_bits = 3u32.checked_sub(self.0).filter(|&bits| bits > 0)?;
        let slot = index & !(u64::MAX << per_byte_bits);
        let shift = u32::try_from(slot << self.0).ok()?;
        Some((index >> per_byte_bits, shift))
    }

    /// Fills refcounts below 8 bits: whole bytes at once, the rest one by one.
    fn fill_bits(self, block: &mut [u8], indexes: Range<u64>, value: u64) {
        let per_byte = 8u64 >> self.0;
        let head_end = indexes
            .start
            .checked_next_multiple_of(per_byte)
            .map_or(indexes.end, |end| end.min(indexes.end));
        let whole_end = head_end.max(indexes.end & !per_byte.wrapping_sub(1));
        if let Some(whole) = self
            .byte_range(head_end..whole_end)
            .and_then(|at| block.get_mut(at))
        {
            whole.fill(self.repeated(value));
        }
        for index in (indexes.start..head_end).chain(whole_end..indexes.end) {
            self.set_bits(block, index, value);
        }
    }

    /// A byte full of the refcount `value` of fewer than 8 bits.
    fn repeated(self, value: u64) -> u8 {
        let width = usize::try_from(self.bits()).unwrap_or(8);
        let copies = (0..8u32)
            .step_by(width)
            .fold(0, |byte, shift| byte | value << shift);
        bytes::low_byte(copies)
    }

    /// Makes refcount `index` of fewer than 8 bits `value`.
    fn set_bits(self, block: &mut [u8], index: u64, value: u64) {
        if let Some((at, shift)) = self.bit_place(index)
            && let Some(byte) = usize::try_from(at).ok().and_then(|at| block.get_mut(at))
        {
            let mask = bytes::low_byte(self.max() << shift);
            *byte = *byte & !mask | bytes::low_byte(value << shift);
        }
    }
}

impl Default for RefcountOrder {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Fills `run` with `value` as an integer of `bits` bits: 8, 16, 32 or 64.
fn fill_integers(run: &mut [u8], bits: u32, value: u64) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    match bits {
        8 => run.fill(h),
        16 => run.as_chunks_mut().0.fill([g, h]),
        32 => run.as_chunks_mut().0.fill([e, f, g, h]),
        _ => run.as_chunks_mut().0.fill([a, b, c, d, e, f, g, h]),
    }
}

/// An entry of the refcount table: where a refcount block is, or `None` where
/// all refcounts it would hold are zero. Spec: "Host cluster management",
/// "Refcount table entry".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RefcountTableEntry(pub Option<HostOffset>);

impl RefcountTableEntry {
    /// Decodes entry `index` of the refcount table. Reserved bits are ignored;
    /// see [`Self::reserved_bits`].
    ///
    /// # Errors
    ///
    /// [`Error::UnalignedEntry`] if the offset is not cluster aligned.
    pub fn decode(raw: u64, cluster_bits: ClusterBits, index: u64) -> Result<Self, Error> {
        let offset = raw & TABLE_OFFSET_MASK;
        let block = aligned(offset, cluster_bits, "refcount table", index)?;
        Ok(Self((offset != 0).then_some(block)))
    }

    /// The bits of the entry.
    #[must_use]
    pub fn encode(self) -> u64 {
        self.0.map_or(0, |block| {
            debug_assert_eq!(block.0 & !TABLE_OFFSET_MASK, 0, "{block} is not aligned");
            block.0 & TABLE_OFFSET_MASK
        })
    }

    /// The reserved bits that are set: bits 0 to 8.
    #[must_use]
    pub const fn reserved_bits(raw: u64) -> u64 {
        raw & !TABLE_OFFSET_MASK
    }
}

#[cfg(test)]
mod tests;
