//! Which compression an image can have.

use qcow2_codec::Compression;
use qcow2_format::Version;
use qcow2_format::header::CompressionType;

use crate::error::Unrepresentable;

/// Whether there is such a level, and such a compression in an image of `version`.
pub(crate) fn check(compression: &Compression, version: Version) -> Result<(), Unrepresentable> {
    let (name, level, levels) = (
        compression.name(),
        compression.level(),
        compression.levels(),
    );
    if !levels.contains(&level) {
        return Err(Unrepresentable::CompressionLevel {
            name,
            level,
            levels,
        });
    }
    if version == Version::V2 && compression.compression_type() != CompressionType::Deflate {
        return Err(Unrepresentable::CompressionType { name });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
