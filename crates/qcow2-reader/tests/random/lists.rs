//! The bitmaps and snapshots that are listed, and the header.

use hostdisk::Disk;
use qcow2_format::Header;
use qcow2_format::bitmap::BitmapFlags;
use qcow2_reader::{read_bitmaps, read_snapshots};
use serde_json::Value;

use crate::tally::Tally;

/// Whether they are as `qemu-img info` lists them.
pub(crate) fn agree(
    storage: Option<&Disk>,
    header: &Header,
    info: &Value,
    tally: &mut Tally,
) -> Result<(), String> {
    let storage = storage.ok_or("an image without a file")?;
    let bitmaps = read_bitmaps(storage, header).map_err(|error| format!("bitmaps: {error:?}"))?;
    let ours: Vec<_> = bitmaps
        .iter()
        .map(|bitmap| {
            (
                text(&bitmap.name),
                1 << bitmap.granularity_bits,
                bitmap.flags.contains(BitmapFlags::IN_USE),
                bitmap.flags.contains(BitmapFlags::AUTO),
            )
        })
        .collect();
    let theirs: Vec<_> = list(&info["format-specific"]["data"]["bitmaps"])
        .iter()
        .map(|bitmap| {
            let flags = list(&bitmap["flags"]);
            (
                string(&bitmap["name"]),
                bitmap["granularity"].as_u64().unwrap(),
                flags.contains(&"in-use".into()),
                flags.contains(&"auto".into()),
            )
        })
        .collect();
    if ours != theirs {
        return Err(format!("bitmaps {ours:?}, and by QEMU {theirs:?}"));
    }
    tally.bitmaps += u64::try_from(ours.len()).unwrap();

    let snapshots =
        read_snapshots(storage, header).map_err(|error| format!("snapshots: {error:?}"))?;
    let ours: Vec<_> = snapshots
        .iter()
        .map(|taken| (text(&taken.id), text(&taken.name), taken.vm_state_bytes))
        .collect();
    let theirs: Vec<_> = list(&info["snapshots"])
        .iter()
        .map(|taken| {
            (
                string(&taken["id"]),
                string(&taken["name"]),
                taken["vm-state-size"].as_u64().unwrap(),
            )
        })
        .collect();
    if ours != theirs {
        return Err(format!("snapshots {ours:?}, and by QEMU {theirs:?}"));
    }
    Ok(())
}

/// An array, which is left out where it is empty.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
