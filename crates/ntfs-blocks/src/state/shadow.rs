//! Shadow copies: snapshots by the volume shadow copy service of Windows.
//!
//! A snapshot keeps a copy of a block only once the block is written to. A file that was
//! deleted after the snapshot lies in clusters that are free, and the snapshot still reads
//! them there.

use blockio::ReadAt;

use crate::bytes::{array, byte, le64};
use crate::error::{Structure, fill};
use crate::finding::{Distrust, Step};
use crate::record::attribute::is_named;

/// Where the service has its header, after the boot code.
const HEADER_AT: u64 = 0x1e00;
/// {3808876b-c176-4e48-b7ae-04046e6cc752}.
const SIGNATURE: [u8; 16] = *b"\x6b\x87\x08\x38\x76\xc1\x48\x4e\xb7\xae\x04\x04\x6e\x6c\xc7\x52";
/// Where in the header the place of the catalog is; 0 is none.
const CATALOG: usize = 48;
/// Where in the header the volume, and the one that holds its snapshots, are.
const VOLUME: usize = 64;
const STORAGE: usize = 80;

/// What the name of the store of a snapshot ends with, after an identifier of its own that
/// is as long.
const STORE: &str = "{3808876b-c176-4e48-b7ae-04046e6cc752}";
/// Where in a `$FILE_NAME` the length of the name and the name are.
const NAME_LENGTH: usize = 64;
const NAME: usize = 66;

/// Whether the `$FILE_NAME` in `value` is that of the store of a snapshot.
pub(crate) fn is_store(value: &[u8]) -> bool {
    let characters = STORE.len().saturating_mul(2);
    let name = value.get(NAME..).unwrap_or_default();
    let name = name.get(..characters.saturating_mul(2)).unwrap_or_default();
    usize::from(byte(value, NAME_LENGTH)) == characters
        && name
            .get(characters..)
            .is_some_and(|end| is_named(end, STORE))
}

/// Checks that there are no snapshots: a header without a catalog, here or on another
/// volume, has none.
pub(super) fn check<R: ReadAt + ?Sized>(disk: &R) -> Step<()> {
    let mut header = [0; 512];
    if disk.size() < HEADER_AT.saturating_add(512) {
        return Ok(());
    }
    fill(disk, Structure::Boot, HEADER_AT, &mut header)?;
    if array::<16>(&header, 0) != SIGNATURE {
        return Ok(());
    }
    let catalog = le64(&header, CATALOG);
    let [volume, storage] = [VOLUME, STORAGE].map(|at| array::<16>(&header, at));
    let is_here = storage == volume || storage == [0; 16];
    if catalog == 0 && is_here {
        return Ok(());
    }
    Err(Distrust::ShadowCopies { catalog }.into())
}
