//! The attributes of a file record.

use crate::bytes::{byte, le16, le32, le64};
use crate::fault::{Fault, Kind};

/// The type that ends the attributes of a record.
const END: u32 = u32::MAX;
/// Bytes of the head of an attribute whose value is in the record, and of another one.
const RESIDENT_BYTES: usize = 24;
const ELSEWHERE_BYTES: usize = 64;

/// An attribute, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: Kind,
    /// Its name, in UTF-16; empty if it has none.
    pub(crate) name: &'a [u8],
    /// Compressed, encrypted, sparse.
    pub(crate) flags: u16,
    /// Tells it from the others of the record.
    pub(crate) instance: u16,
    pub(crate) value: Value<'a>,
}

/// Where the value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// In the record.
    Here(&'a [u8]),
    /// In clusters.
    Elsewhere(Part<'a>),
}

/// The clusters of an attribute, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// The clusters of the attribute that this part has, counted from its start.
    pub(crate) lowest: u64,
    pub(crate) end: u64,
    /// Only the part from 0 on has them.
    pub(crate) sizes: Sizes,
    /// The run list.
    pub(crate) pairs: &'a [u8],
}

/// The lengths of an attribute, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Of all clusters, holes included.
    pub(crate) allocated: u64,
    pub(crate) data: u64,
    /// What follows reads as zeros.
    pub(crate) initialized: u64,
}

/// The attributes of a record; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
    is_done: bool,
}

impl<'a> Attributes<'a> {
    /// Those in the record `bytes` from byte `at` on.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            is_done: false,
        }
    }

    /// The next one; `None` at their end.
    fn step(&mut self) -> Result<Option<Attribute<'a>>, (Kind, Fault)> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let kind = Kind(le32(rest, 0));
        if rest.len() < 4 {
            return Err((kind, Fault::NoEnd));
        }
        if kind.0 == END {
            return Ok(None);
        }
        let stored = le32(rest, 4);
        let length = usize::try_from(stored).unwrap_or(usize::MAX);
        let bytes = rest.get(..length);
        let bytes = bytes.filter(|bytes| bytes.len() >= RESIDENT_BYTES && stored.is_multiple_of(8));
        let bytes = bytes.ok_or((kind, field("a length of", stored.into())))?;
        self.at = self.at.saturating_add(length);
        decode(kind, bytes).map_err(|fault| (kind, fault)).map(Some)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, (Kind, Fault)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let step = self.step();
        self.is_done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

fn decode(kind: Kind, bytes: &[u8]) -> Result<Attribute<'_>, Fault> {
    let name_bytes = usize::from(byte(bytes, 9)).saturating_mul(2);
    // The place of a name that is not there means nothing.
    let name_at = if name_bytes == 0 {
        0
    } else {
        le16(bytes, 10).into()
    };
    let name = slice(bytes, name_at, name_bytes);
    let name = name.ok_or(field("its name at byte", u64::from(le16(bytes, 10))))?;
    let value = match byte(bytes, 8) {
        0 => {
            let (length, at) = (le32(bytes, 16), le16(bytes, 20));
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let value = slice(bytes, at.into(), length);
            Value::Here(value.ok_or(field("its value at byte", at.into()))?)
        }
        1 => Value::Elsewhere(part(bytes)?),
        other => return Err(field("the form", other.into())),
    };
    Ok(Attribute {
        kind,
        name,
        flags: le16(bytes, 12),
        instance: le16(bytes, 14),
        value,
    })
}

fn part(bytes: &[u8]) -> Result<Part<'_>, Fault> {
    let pairs_at = le16(bytes, 32);
    let pairs = bytes.get(usize::from(pairs_at)..);
    let pairs = pairs.filter(|_| usize::from(pairs_at) >= ELSEWHERE_BYTES);
    let pairs = pairs.ok_or(field("its run list at byte", pairs_at.into()))?;
    let (lowest, highest) = (le64(bytes, 16), le64(bytes, 24));
    // -1 is the last cluster of nothing.
    let end = highest.wrapping_add(1);
    let is_number = i64::try_from(lowest).is_ok() && i64::try_from(end).is_ok();
    if !is_number || end < lowest {
        return Err(field("its last cluster", highest));
    }
    let mut sizes = Sizes::default();
    if lowest == 0 {
        let [allocated, data, initialized] = [40, 48, 56].map(|at| le64(bytes, at));
        if i64::try_from(allocated).is_err() || data > allocated {
            return Err(field("a length of", data));
        }
        if initialized > data {
            return Err(field("an initialized length of", initialized));
        }
        sizes = Sizes {
            allocated,
            data,
            initialized,
        };
    }
    Ok(Part {
        lowest,
        end,
        sizes,
        pairs,
    })
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..)?.get(..length)
}

const fn field(field: &'static str, found: u64) -> Fault {
    Fault::Field { field, found }
}

/// Whether `name`, in UTF-16, is `wanted`, letters of either case.
pub(crate) fn is_named(name: &[u8], wanted: &str) -> bool {
    let units = name.chunks_exact(2).map(|unit| le16(unit, 0));
    let lower =
        |unit: u16| u8::try_from(unit).map_or(unit, |byte| byte.to_ascii_lowercase().into());
    let wanted = wanted.encode_utf16();
    name.len().is_multiple_of(2) && units.map(lower).eq(wanted.map(lower))
}
