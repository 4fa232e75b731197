//! What a filesystem holds before anything happens to it.

use std::io;
use std::path::Path;

use super::family::Crashable;
use super::kinds::Kind;
use crate::support::load::Load;

/// Bytes written, and a third of them deleted.
pub(super) const FILL_BYTES: u64 = 24 << 20;

/// Fills a filesystem and unmounts it: what was deleted then is in no log.
pub(super) fn fill(
    tools: &impl Crashable,
    disk: &Path,
    mounted: &Path,
    kind: &Kind,
    load: &mut Load,
) -> io::Result<()> {
    let mount = tools.mount(disk, mounted, kind.mount)?;
    load.fill(FILL_BYTES)?;
    mount.end()
}
