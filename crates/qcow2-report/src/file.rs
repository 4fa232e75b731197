//! The file of an image: what each of its clusters is used for.

pub(crate) mod clusters;
mod structures;
mod tables;

use blockio::ReadAt;
use qcow2_map::{Content, ImageMap};

use crate::cells::Cells;
use crate::error::Error;
use crate::kinds::FileKind;
use crate::scale::Scale;

use clusters::Clusters;

/// Counts the bytes of the file of an image by what they are used for. `None` if there is
/// no image.
pub(crate) fn cells<S: ReadAt>(map: &ImageMap<S>) -> Result<Option<Cells<FileKind>>, Error> {
    let (Some(layer), Some(storage)) = (map.layers().first(), map.files().first()) else {
        return Ok(None);
    };
    let Content::Image(image) = &layer.content else {
        return Ok(None);
    };
    let cluster_bits = image.header.cluster_bits;
    let mut clusters = Clusters::new(storage.size(), cluster_bits);
    structures::paint(storage, image, &mut clusters)?;
    tables::paint(storage, image, &mut clusters)?;
    let mut cells = Cells::new(scale(map));
    clusters.count(&mut cells);
    Ok(Some(cells))
}

/// How the file of an image is cut into cells.
pub(crate) fn scale<S: ReadAt>(map: &ImageMap<S>) -> Scale {
    let file_bytes = map.files().first().map_or(0, ReadAt::size);
    Scale::new(file_bytes, map.header().cluster_bits.bytes())
}
