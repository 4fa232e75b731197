//! What is reported of an image that is a source.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::text::{Bytes, Foreign};

/// What an image is that is a source.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImageReport {
    /// The image and the backing files below it.
    pub(super) layers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<Foreign>,
    /// Bytes of the disk that none of the layers holds. They read as zeros.
    pub(super) unallocated_bytes: u64,
    /// Snapshots in the image, which are not packed with its current disk.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) snapshots_left_out: u32,
    /// Bitmaps in the image, which no new image has.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) bitmaps_left_out: u32,
    /// The image was not closed properly; its data is complete.
    pub(super) dirty: bool,
}

impl Display for ImageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unallocated = Bytes(self.unallocated_bytes);
        write!(f, "format   qcow2, ")?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, "snapshot {snapshot}, ")?;
        }
        match self.layers {
            1 => writeln!(f, "{unallocated} unallocated")?,
            layers => writeln!(
                f,
                "{layers} layers, {unallocated} allocated by none of them"
            )?,
        }
        match self.snapshots_left_out {
            0 => {}
            1 => writeln!(f, "left out 1 snapshot, which --snapshot packs")?,
            count => writeln!(
                f,
                "left out {count} snapshots; --snapshot packs one of them"
            )?,
        }
        match self.bitmaps_left_out {
            0 => {}
            1 => writeln!(f, "left out 1 bitmap")?,
            count => writeln!(f, "left out {count} bitmaps")?,
        }
        if self.dirty {
            writeln!(
                f,
                "note     the image was not closed properly; its data is complete"
            )?;
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
