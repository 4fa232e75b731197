//! Proof that whatever is kept is what it was.

use std::ops::{ControlFlow, Range};

use blockio::{Extent, ExtentKind, Extents, Merge, ReadAt, Tiling};
use disk_compare::{Options, digest_of};
use disk_layout::Disk;

use crate::args::PunchArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// Whatever of a disk is not free, as bytes that matter.
struct Kept<'a>(&'a Disk<'a>);

impl Tiling for Kept<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        Box::new(Merge::new(self.0.extents(range).map(|extent| {
            let extent = extent?;
            let kind = match extent.kind {
                ExtentKind::Free => ExtentKind::Free,
                _ => ExtentKind::Data,
            };
            Ok(Extent { kind, ..extent })
        })))
    }
}

/// The digest of everything that `disk` keeps, as `bytes` read it.
pub(super) fn digest(
    args: &PunchArgs,
    bytes: &dyn ReadAt,
    disk: &Disk<'_>,
) -> Result<[u8; 32], Failure> {
    let bar = Progress::new(&args.run, "verifying");
    let show = |progress: blockio::Progress| {
        bar.update(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    };
    let mut options = Options::default();
    options.threads = Some(args.run.threads());
    options.progress = Some(&show);
    digest_of(bytes, &Kept(disk), &options).map_err(|error| Failure::about(&args.source, &error))
}
