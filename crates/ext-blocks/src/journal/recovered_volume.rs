//! A filesystem as its superblock tells it once the journal has been replayed.

use blockio::ReadAt;
use ext_format::error::Error;
use ext_format::geometry::Geometry;
use ext_format::superblock::check::check_superblock;
use ext_format::superblock::read_superblock;
use ext_format::volume::Volume;

use super::overlay::Overlay;

/// That of the filesystem after recovery, where it is sound.
pub(crate) fn recovered_volume<R: ReadAt + ?Sized>(
    overlay: &Overlay<R>,
    from_backup: bool,
) -> Result<Option<Volume>, Error> {
    let found = read_superblock(overlay)?;
    Ok(found.and_then(|(sb, bytes)| {
        check_superblock(&sb, &bytes).ok()?;
        let geometry = Geometry::new(&sb, overlay.size()).ok()?;
        Some(Volume::new(&sb, geometry, from_backup))
    }))
}
