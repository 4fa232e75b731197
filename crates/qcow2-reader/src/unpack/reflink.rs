//! Blocks that the disk can share with the file that holds the image.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use blockio::{Handle, Reflink};
use qcow2_format::{ClusterBits, HostOffset};

use crate::error::Error;
use crate::unpack::segment::{BLOCK_BYTES, Segment, Stored, round_down};

/// Which blocks are shared, while the target is willing.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// Shared are whole units, that begin at a multiple of this in both files:
    /// clusters, or blocks where those are larger.
    unit_bytes: u64,
    /// Which of the files can be shared.
    files: Vec<bool>,
    /// The target has refused.
    refused: AtomicBool,
}

impl Sharing {
    /// What is to be shared of the `files` of an image, if anything; `None` has
    /// nothing to share.
    pub(crate) fn new(
        reflink: Reflink,
        files: &[Option<&Handle>],
        cluster_bits: ClusterBits,
    ) -> Result<Option<Self>, Error> {
        let files: Vec<_> = files.iter().map(Option::is_some).collect();
        match (reflink, files.first()) {
            (Reflink::Never, _) | (Reflink::Auto, None | Some(false)) => Ok(None),
            (Reflink::Auto | Reflink::Always, Some(true)) => Ok(Some(Self {
                unit_bytes: cluster_bits.bytes().max(BLOCK_BYTES),
                files,
                refused: AtomicBool::new(false),
            })),
            (Reflink::Always, None | Some(false)) => Err(Error::Share {
                offset: 0,
                host: HostOffset(0),
                bytes: 0,
                source: io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the image is not in a file that can be shared",
                ),
            }),
        }
    }

    /// Remembers that the target has refused.
    pub(crate) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    fn can(&self, segment: &Segment) -> bool {
        self.files.get(segment.file) == Some(&true) && !self.is_refused()
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The parts of a segment: those that can be shared, and the rest.
    pub(crate) fn cut(&self, mut segment: Segment) -> Vec<Segment> {
        let unit = self.unit_bytes;
        let end = round_down(segment.guest.end, unit);
        let start = segment
            .guest
            .start
            .checked_next_multiple_of(unit)
            .filter(|start| *start < end && segment.is_plain_in_step(unit) && self.can(&segment));
        let Some(mut middle) = start.and_then(|start| segment.split_off(start)) else {
            return vec![segment];
        };
        let tail = middle.split_off(end);
        if let Stored::Plain { host } = middle.stored {
            middle.stored = Stored::Shareable { host };
        }
        let head = Some(segment).filter(|head| !head.guest.is_empty());
        [head, Some(middle), tail].into_iter().flatten().collect()
    }
}
