//! The index of the root directory, searched for one name.

use blockio::ReadAt;

use crate::bytes::{byte, le16, le32, le64, usize_of};
use crate::error::Structure;
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, Step, of};
use crate::mft::{Contents, Mft};
use crate::record::attribute::is_named;
use crate::record::{Reference, fixup};
use crate::stream::Stream;

/// The record of the root directory, and the name of its index.
const ROOT: u64 = 5;
const NAME: &str = "$I30";
const SIGNATURE: [u8; 4] = *b"INDX";
/// Most bytes of a root directory that is searched: a million files.
const INDEX_BYTES_MAX: u64 = 256 << 20;
/// Most files of one name: letters of either case make several possible.
const FOUND_MAX: usize = 64;
/// Where the header of a block, and that of the root, are.
const BLOCK_HEADER: usize = 24;
const ROOT_HEADER: usize = 16;
/// Bytes of an entry without its name.
const ENTRY_BYTES: usize = 16;
const FILE_NAME_BYTES: usize = 66;
const IS_LAST: u16 = 2;

/// Every file that the root directory calls `name`, letters of either case. All blocks that
/// are in use are searched, whatever their order.
pub(super) fn find<R: ReadAt + ?Sized>(mft: &Mft<'_, R>, name: &str) -> Step<Vec<Reference>> {
    let mut found = Vec::new();
    let missing = |kind| of(ROOT, kind, Fault::Missing);
    let root = mft.attribute(ROOT, Kind::INDEX_ROOT, NAME)?;
    let Some(Contents::Here(root)) = root.map(|root| root.contents) else {
        return Err(missing(Kind::INDEX_ROOT).into());
    };
    let wrong = |fault| Distrust::Index { block: 0, fault };
    let header = root.get(ROOT_HEADER..).unwrap_or_default();
    entries(header, name, &mut found).map_err(wrong)?;
    let Some(blocks) = mft.attribute(ROOT, Kind::INDEX_ALLOCATION, NAME)? else {
        return Ok(found);
    };
    let Contents::Elsewhere(blocks) = blocks.contents else {
        return Err(missing(Kind::INDEX_ALLOCATION).into());
    };
    let bitmap = mft.attribute(ROOT, Kind::BITMAP, NAME)?;
    let bitmap = bitmap.ok_or(missing(Kind::BITMAP))?;
    let block_bytes = u64::from(le32(&root, 8));
    if !block_bytes.is_power_of_two() || !(512..=65_536).contains(&block_bytes) {
        let field = "a block size of";
        let fault = Fault::Field {
            field,
            found: block_bytes,
        };
        return Err(wrong(fault).into());
    }
    let length = blocks.sizes.initialized;
    if length > INDEX_BYTES_MAX || blocks.check_no_holes().is_err() {
        let limit = INDEX_BYTES_MAX;
        let fault = Fault::TooLong {
            found: length,
            limit,
        };
        return Err(of(ROOT, Kind::INDEX_ALLOCATION, fault).into());
    }
    let count = length.checked_div(block_bytes).unwrap_or(0);
    let in_use = in_use(mft.disk, &bitmap.contents, count)?;
    let mut bytes = vec![0; usize_of(block_bytes)];
    for block in 0..count {
        let bits = in_use.get(usize_of(block / 8)).copied();
        if bits.unwrap_or(0xff) >> (block % 8) & 1 == 0 {
            continue;
        }
        let at = block.saturating_mul(block_bytes);
        blocks.read(mft.disk, Structure::Index, at, &mut bytes)?;
        let searched = search(&mut bytes, name, &mut found);
        let block = block.saturating_add(1);
        searched.map_err(|fault| Distrust::Index { block, fault })?;
        if found.len() > FOUND_MAX {
            let what = "files of one name in the root directory";
            let limit = blockio::len_u64(FOUND_MAX);
            return Err(Distrust::TooMany { what, limit }.into());
        }
    }
    Ok(found)
}

/// The bitmap of the blocks. Blocks that it has no bit for are taken for used ones.
fn in_use<R: ReadAt + ?Sized>(disk: &R, bitmap: &Contents, count: u64) -> Step<Vec<u8>> {
    let needed = count.div_ceil(8);
    match bitmap {
        Contents::Here(bytes) => Ok(bytes.clone()),
        Contents::Elsewhere(stream) => {
            let stream: &Stream = stream;
            let length = stream.sizes.data.min(needed);
            let mut bytes = vec![0; usize_of(length)];
            stream.read(disk, Structure::Bitmap, 0, &mut bytes)?;
            Ok(bytes)
        }
    }
}

/// Searches a block.
fn search(bytes: &mut [u8], name: &str, found: &mut Vec<Reference>) -> Result<(), Fault> {
    fixup::undo(bytes, SIGNATURE)?;
    entries(bytes.get(BLOCK_HEADER..).unwrap_or_default(), name, found)
}

/// Searches the entries after the header that `bytes` begin with, up to the last one.
fn entries(bytes: &[u8], name: &str, found: &mut Vec<Reference>) -> Result<(), Fault> {
    let [first, end] = [0, 4].map(|at| le32(bytes, at));
    let range = usize_of(first.into())..usize_of(end.into());
    let field = |field, found: u64| Fault::Field { field, found };
    let all = bytes.get(range);
    let mut rest = all.ok_or(field("entries up to byte", end.into()))?;
    loop {
        let length = le16(rest, 8);
        let entry = rest.get(..usize::from(length));
        let entry = entry.filter(|entry| entry.len() >= ENTRY_BYTES && length.is_multiple_of(8));
        let entry = entry.ok_or(field("an entry of the length", length.into()))?;
        if le16(entry, 12) & IS_LAST != 0 {
            return Ok(());
        }
        let key = entry.get(ENTRY_BYTES..).unwrap_or_default();
        let name_bytes = usize::from(byte(key, 64)).saturating_mul(2);
        let stored = key
            .get(FILE_NAME_BYTES..)
            .and_then(|rest| rest.get(..name_bytes));
        let stored = stored.ok_or(field("a name of the length", byte(key, 64).into()))?;
        if is_named(stored, name) {
            found.push(Reference::new(le64(entry, 0)));
        }
        rest = rest.get(usize::from(length)..).unwrap_or_default();
    }
}
