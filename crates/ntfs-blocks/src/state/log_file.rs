//! `$LogFile`: whether the journal is empty, or was closed.
//!
//! Two restart pages say how far the journal was written, and whether who used it closed
//! it. The second page lies one page after the first.

use blockio::ReadAt;

use crate::bytes::{array, le16, le32, le64, usize_of};
use crate::error::Structure;
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, LogFault, Step, of};
use crate::mft::{Contents, Mft};
use crate::record::fixup;
use crate::stream::Stream;

/// The record of `$LogFile`.
const LOG_FILE: u64 = 2;
/// Pages that are followed.
const PAGE_BYTES: [u64; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];
/// Most bytes of a journal.
const LOG_BYTES_MAX: u64 = 4 << 30;
/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 1 << 20;
const SIGNATURE: [u8; 4] = *b"RSTR";
/// Bytes of a restart area that are looked at.
const AREA_BYTES: usize = 48;
/// Number of a client that is none.
const NO_CLIENT: u16 = 0xffff;
const IS_CLEAN: u16 = 2;

/// A restart page.
struct Restart {
    /// Where it is, in bytes from the start of the file.
    at: u64,
    /// How far the journal was written.
    current: u64,
    is_closed: bool,
    page_bytes: u64,
}

/// Checks that nothing is to be replayed.
pub(super) fn check<R: ReadAt + ?Sized>(mft: &Mft<'_, R>) -> Step<()> {
    let found = mft.attribute(LOG_FILE, Kind::DATA, "")?;
    let missing = of(LOG_FILE, Kind::DATA, Fault::Missing);
    let Some(Contents::Elsewhere(stream)) = found.map(|found| found.contents) else {
        return Err(missing.into());
    };
    let bytes = stream.sizes.data;
    let is_stored = stream.check_stored().is_ok();
    let first = PAGE_BYTES.map(|page| page.saturating_mul(2));
    if !is_stored || bytes > LOG_BYTES_MAX || bytes < first[3] {
        return Err(Distrust::Log(LogFault::Length { bytes }).into());
    }
    let mut start = [0; 512];
    stream.read(mft.disk, Structure::Log, 0, &mut start)?;
    if array::<4>(&start, 0) == [0xff; 4] {
        return check_empty(mft.disk, &stream);
    }
    let stored = u64::from(le32(&start, 16));
    let page = PAGE_BYTES.into_iter().find(|page| *page == stored);
    let page = page.filter(|page| page.saturating_mul(2) <= bytes);
    let Some(page) = page else {
        let field = "a page size of";
        let fault = Fault::Field {
            field,
            found: stored,
        };
        let found = array(&start, 0);
        let fault = if found == SIGNATURE {
            fault
        } else {
            Fault::Signature { found }
        };
        return Err(Distrust::Log(LogFault::Page { at: 0, fault }).into());
    };
    let mut pages = Vec::new();
    for at in [0, page] {
        let mut bytes = vec![0; usize_of(page)];
        stream.read(mft.disk, Structure::Log, at, &mut bytes)?;
        pages.push(restart(&mut bytes, at).map_err(Distrust::Log)?);
    }
    for found in &pages {
        let is_latest = pages.iter().all(|other| other.current <= found.current);
        if found.page_bytes != page || (is_latest && !found.is_closed) {
            return Err(Distrust::Log(LogFault::Open { at: found.at }).into());
        }
    }
    Ok(())
}

/// That every byte is 0xff: a journal that holds nothing.
fn check_empty<R: ReadAt + ?Sized>(disk: &R, stream: &Stream) -> Step<()> {
    let length = stream.sizes.data;
    let mut buffer = vec![0; usize_of(CHUNK_BYTES.min(length))];
    let mut at = 0;
    while at < length {
        let part = usize_of(length.saturating_sub(at).min(CHUNK_BYTES));
        let part = buffer.get_mut(..part).unwrap_or_default();
        stream.read(disk, Structure::Log, at, part)?;
        if let Some(odd) = part.iter().position(|byte| *byte != 0xff) {
            let odd = odd & !3;
            let at = at.saturating_add(blockio::len_u64(odd));
            let found = array(part, odd);
            let fault = Fault::Signature { found };
            return Err(Distrust::Log(LogFault::Page { at, fault }).into());
        }
        at = at.saturating_add(CHUNK_BYTES);
    }
    Ok(())
}

/// The restart page in `bytes`, which lies at byte `at`.
fn restart(bytes: &mut [u8], at: u64) -> Result<Restart, LogFault> {
    let wrong = |fault| LogFault::Page { at, fault };
    fixup::undo(bytes, SIGNATURE).map_err(wrong)?;
    let (minor, major) = (le16(bytes, 26), le16(bytes, 28));
    if major != 1 || minor > 1 {
        return Err(LogFault::Version { major, minor });
    }
    let start = le16(bytes, 24);
    let area = bytes.get(usize::from(start)..);
    let area = area.filter(|area| area.len() >= AREA_BYTES && start.is_multiple_of(8));
    let area = area.filter(|_| usize::from(start) >= fixup::end(bytes));
    let field = "its restart area at byte";
    let found = start.into();
    let area = area.ok_or(wrong(Fault::Field { field, found }))?;
    Ok(Restart {
        at,
        current: le64(area, 0),
        is_closed: le16(area, 12) == NO_CLIENT || le16(area, 14) & IS_CLEAN != 0,
        page_bytes: le32(bytes, 16).into(),
    })
}
