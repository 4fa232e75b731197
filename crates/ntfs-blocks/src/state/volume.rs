//! `$Volume`: the name, the version and the flags of the volume.

use blockio::ReadAt;

use crate::bytes::{byte, le16};
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, Step, attribute, of};
use crate::mft::Mft;
use crate::record::Record;
use crate::record::attribute::Value;

/// The record of `$Volume`.
const VOLUME: u64 = 3;
/// Bytes of `$VOLUME_INFORMATION`.
const INFORMATION_BYTES: usize = 12;
/// Flags that say nothing about what is free: the journal may be resized, the volume
/// upgraded, it was mounted by NT 4, a change journal is being deleted, object ids are to
/// be repaired, chkdsk changed it. Not among them are 1, not unmounted, and 0x4000, chkdsk
/// is running.
const HARMLESS: u16 = 0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0020 | 0x8000;

/// What a volume says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// In UTF-8.
    pub(crate) label: Vec<u8>,
    pub(crate) version: Option<(u8, u8)>,
}

pub(super) fn check<R: ReadAt + ?Sized>(mft: &Mft<'_, R>, identity: &mut Identity) -> Step<()> {
    let mut bytes = mft.buffer();
    let record = mft.read_base(VOLUME, &mut bytes)?;
    if let Some(name) = here(&record, Kind::VOLUME_NAME)? {
        let units: Vec<u16> = name.chunks_exact(2).map(|unit| le16(unit, 0)).collect();
        identity.label = String::from_utf16_lossy(&units).into_bytes();
    }
    let information = here(&record, Kind::VOLUME_INFORMATION)?;
    let information = information.filter(|bytes| bytes.len() >= INFORMATION_BYTES);
    let missing = of(VOLUME, Kind::VOLUME_INFORMATION, Fault::Missing);
    let information = information.ok_or(missing)?;
    let (major, minor) = (byte(information, 8), byte(information, 9));
    identity.version = Some((major, minor));
    if !matches!((major, minor), (1, 2) | (3, 0 | 1)) {
        return Err(Distrust::Version { major, minor }.into());
    }
    let flags = le16(information, 10);
    if flags & !HARMLESS != 0 {
        return Err(Distrust::Dirty { flags }.into());
    }
    Ok(())
}

/// The value of an attribute that is in the record.
fn here<'a>(record: &Record<'a>, kind: Kind) -> Result<Option<&'a [u8]>, Distrust> {
    let found = attribute(VOLUME, record.find(|one| one.kind == kind))?;
    Ok(found.and_then(|found| match found.value {
        Value::Here(bytes) => Some(bytes),
        Value::Elsewhere(_) => None,
    }))
}
