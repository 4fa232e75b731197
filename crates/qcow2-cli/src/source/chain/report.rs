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
        if self.dirty {
            writeln!(
                f,
                "note     the image was not closed properly; its data is complete"
            )?;
        }
        Ok(())
    }
}
