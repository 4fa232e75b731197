//! The version, the backing file and the options of an image.

mod zero_flags;

use blockio::Store;
use qcow2_format::extension::Extension;
use qcow2_format::feature::{AutoclearFeatures, CompatibleFeatures, IncompatibleFeatures};
use qcow2_format::header::{HEADER_BYTES_V2, HEADER_BYTES_V3};
use qcow2_format::limits::{BACKING_FORMAT_BYTES_MAX, BACKING_NAME_BYTES_MAX};
use qcow2_format::{Header, RefcountOrder, Version};

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::state::State;
use crate::report::Changed;

/// What of an image changes; the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amendment {
    /// The version of the format.
    pub version: Option<Version>,
    /// Whether refcounts may be updated late.
    pub lazy_refcounts: Option<bool>,
    /// The backing file.
    pub backing: Option<NewBacking>,
}

/// The backing file that an image names from now on. Only the name changes: the disk is
/// the same only if the new file holds what the old one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewBacking {
    /// None: what is unallocated reads as zeros.
    Nothing,
    /// A file.
    File {
        /// Its name as it is recorded, 1 to 1,023 bytes.
        name: Vec<u8>,
        /// The name of its format, at most 15 bytes: "qcow2" or "raw".
        format: Vec<u8>,
    },
}

/// Changes what is asked for.
pub(crate) fn amend<S: Store>(storage: &S, wanted: &Amendment) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    if let Some(backing) = &wanted.backing {
        let raw = AutoclearFeatures::RAW_EXTERNAL_DATA;
        if new.header.autoclear.contains(raw) && *backing != NewBacking::Nothing {
            return Err(unsupported(
                "its external data file is the raw disk, which no backing file can add to",
            ));
        }
        set_backing(&mut new.header, backing)?;
    }
    match wanted.version {
        Some(Version::V3) if new.header.version == Version::V2 => upgrade(&mut new),
        Some(Version::V2) if new.header.version == Version::V3 => {
            check_downgrade(&new)?;
            if let Some(true) = wanted.lazy_refcounts {
                return Err(unsupported("version 2 has no lazy refcounts"));
            }
            zero_flags::remove(&mut change, &mut new)?;
            downgrade(&mut new.header);
        }
        _ => {}
    }
    if let Some(lazy) = wanted.lazy_refcounts {
        if lazy && new.header.version == Version::V2 {
            return Err(unsupported("version 2 has no lazy refcounts"));
        }
        let flag = CompatibleFeatures::LAZY_REFCOUNTS;
        new.header.compatible.set(flag, lazy);
    }
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

fn unsupported(because: &'static str) -> Error {
    Error::Unsupported {
        operation: "to amend the image",
        because,
    }
}

pub(crate) fn set_backing(header: &mut Header, backing: &NewBacking) -> Result<(), Error> {
    let is_format = |extension: &Extension| matches!(extension, Extension::BackingFormat(_));
    header.extensions.retain(|extension| !is_format(extension));
    let NewBacking::File { name, format } = backing else {
        header.backing_name = None;
        return Ok(());
    };
    let limit = |what, text: &[u8], max| {
        let found = blockio::len_u64(text.len());
        if (1..=max).contains(&found) {
            return Ok(());
        }
        Err(Error::Limit {
            what,
            found,
            min: 1,
            max,
        })
    };
    limit(
        "the length of the backing file's name in bytes",
        name,
        BACKING_NAME_BYTES_MAX,
    )?;
    limit(
        "the length of its format's name in bytes",
        format,
        BACKING_FORMAT_BYTES_MAX,
    )?;
    header.backing_name = Some(name.clone());
    header
        .extensions
        .insert(0, Extension::BackingFormat(format.clone()));
    Ok(())
}

fn upgrade(state: &mut State) {
    state.header.version = Version::V3;
    state.header.header_length = HEADER_BYTES_V3;
    for snapshot in &mut state.snapshots {
        snapshot.disk_size = snapshot.disk_size.or(Some(state.header.size));
    }
}

/// Refuses an image that needs what version 2 does not have.
fn check_downgrade(state: &State) -> Result<(), Error> {
    let header = &state.header;
    let has = |feature| header.incompatible.contains(feature);
    let because = if has(IncompatibleFeatures::EXTERNAL_DATA_FILE) {
        "version 2 has no external data files"
    } else if has(IncompatibleFeatures::EXTENDED_L2) {
        "version 2 has no extended L2 entries"
    } else if has(IncompatibleFeatures::COMPRESSION_TYPE) {
        "version 2 has no compression but deflate"
    } else if header.refcount_order != RefcountOrder::DEFAULT {
        "version 2 has refcounts of 16 bits only"
    } else if !state.bitmaps.is_empty() {
        "version 2 has no bitmaps; remove them first"
    } else {
        return Ok(());
    };
    Err(unsupported(because))
}

fn downgrade(header: &mut Header) {
    header.version = Version::V2;
    header.header_length = HEADER_BYTES_V2;
    header.incompatible = IncompatibleFeatures::empty();
    header.compatible = CompatibleFeatures::empty();
    header.autoclear = AutoclearFeatures::empty();
    header.unknown_header_bytes.clear();
    // Version 2 cannot tell zeros from what is not in use.
    let is_mark = |extension: &Extension| matches!(extension, Extension::ExactAllocation { .. });
    header.extensions.retain(|extension| !is_mark(extension));
}
