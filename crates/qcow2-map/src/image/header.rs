//! Reading the header, and which images this crate can read.

use blockio::ReadAt;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::{Header, HostOffset};

use crate::{Error, Structure};

/// Bytes that tell how long the first cluster is.
pub const CLUSTER_BITS_END: usize = 24;

/// Reads the header of an image, with its extensions and the backing file name.
///
/// Refuses what no program can read. Images that this crate cannot read, such
/// as encrypted ones, are refused by [`ImageMap::open`](crate::ImageMap::open).
///
/// # Errors
///
/// [`Error::Header`] if the bytes are not a header, and [`Error::Read`].
pub fn read_header<S: ReadAt + ?Sized>(storage: &S) -> Result<Header, Error> {
    let first = read_start(storage, CLUSTER_BITS_END)?;
    let cluster_bytes = Header::cluster_bits_of(&first)?.bytes();
    let cluster_bytes = usize::try_from(cluster_bytes).unwrap_or(usize::MAX);
    Ok(Header::decode(&read_start(storage, cluster_bytes)?)?)
}

/// The first `length` bytes, or as many as there are.
fn read_start<S: ReadAt + ?Sized>(storage: &S, length: usize) -> Result<Vec<u8>, Error> {
    let there = usize::try_from(storage.size()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(there)];
    storage
        .read_at(0, &mut bytes)
        .map_err(|source| Error::Read {
            structure: Structure::Header,
            host: HostOffset(0),
            source,
        })?;
    Ok(bytes)
}

/// Refuses, by name, an image whose header says that it needs more than this
/// crate can do.
pub fn check_supported(header: &Header, salvage: bool) -> Result<(), Error> {
    // Dirty: refcounts may be stale, and reading does not use them. Compression
    // type: only says what compressed clusters hold, if there are any.
    header.check_features(
        IncompatibleFeatures::DIRTY
            | IncompatibleFeatures::CORRUPT
            | IncompatibleFeatures::COMPRESSION_TYPE
            | IncompatibleFeatures::EXTENDED_L2
            | IncompatibleFeatures::EXTERNAL_DATA_FILE,
    )?;
    if header.incompatible.contains(IncompatibleFeatures::CORRUPT) && !salvage {
        return Err(Error::MarkedCorrupt);
    }
    Ok(())
}
