//! How a volume was left: whether anything is still to be done for it.

mod hibernation;
mod index;
mod log_file;
mod shadow;
mod volume;

use blockio::ReadAt;

use crate::finding::Step;
use crate::mft::Mft;

pub(crate) use shadow::is_store;
pub(crate) use volume::Identity;

/// Checks that the volume was unmounted, that no journal is to be replayed, that no system
/// hibernates on it and that no snapshots need its free clusters. The name and the version
/// are taken in as soon as they are known.
pub(crate) fn check<R: ReadAt + ?Sized>(mft: &Mft<'_, R>, identity: &mut Identity) -> Step<()> {
    volume::check(mft, identity)?;
    shadow::check(mft.disk)?;
    log_file::check(mft)?;
    hibernation::check(mft)
}
