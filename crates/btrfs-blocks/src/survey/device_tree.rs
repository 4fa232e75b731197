//! The device tree: what of this device is in a chunk. It has to be what the chunks say.

use blockio::ReadAt;

use super::item::{range, unsound};
use crate::bytes::le64;
use crate::finding::{Distrust, Step};
use crate::key::{Key, item, tree};
use crate::layout::Stretch;
use crate::superblock::Device;
use crate::tree::{Pointer, Reader, Walk};

const EXTENT_BYTES: usize = 48;

/// States of a replacement of a device in which nothing is under way: never begun, finished,
/// given up.
const REPLACED: [u64; 3] = [0, 2, 3];

/// Holds the device tree against the stripes on `device`, and returns their bytes.
pub(super) fn check<R: ReadAt + ?Sized>(
    reader: &Reader<'_, R>,
    root: Pointer,
    device: Device,
    stretches: &[Stretch],
) -> Step<u64> {
    let mut stretches = stretches.iter();
    let (mut used, mut end) = (0u64, 0);
    let mut walk = Walk::new(reader, root);
    while let Some(leaf) = walk.next()? {
        for item in leaf.items() {
            let (key, bytes) = (item.key, item.bytes);
            if key == Key::new(0, item::DEV_REPLACE, 0) && !REPLACED.contains(&le64(bytes, 32)) {
                return Err(Distrust::Underway("a device is being replaced").into());
            }
            if key.kind != item::DEV_EXTENT || key.object != device.id {
                continue;
            }
            let at = key.offset;
            let range = range(at, le64(bytes, 24)).filter(|_| bytes.len() == EXTENT_BYTES);
            let range = range.ok_or(unsound(tree::DEV, key, "its length"))?;
            let same = stretches.next().filter(|stretch| {
                let chunk = stretch.chunk_start(&reader.chunks);
                (stretch.at..stretch.end()) == range && chunk == Some(le64(bytes, 16))
            });
            if same.is_none() || at < end || range.end > device.bytes {
                return Err(Distrust::DeviceExtent { at }.into());
            }
            used = used.saturating_add(range.end.saturating_sub(at));
            end = range.end;
        }
    }
    match stretches.next() {
        None => Ok(used),
        Some(left) => Err(Distrust::DeviceExtent { at: left.at }.into()),
    }
}
