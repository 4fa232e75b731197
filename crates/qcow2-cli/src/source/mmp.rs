//! Multiple mount protection on a disk and in its partitions.

use blockio::{ReadAt, Window};
use disk_layout::table;
use ext_blocks::mmp::Mmp;

use crate::failure::Failure;

/// Returns what the filesystem on `disk` says about its users, or what the first one in a
/// partition says that is in use, or else damaged. `read` looks at the start of a disk or partition.
pub(crate) fn mmp(
    disk: &dyn ReadAt,
    sector_bytes: Option<u32>,
    read: impl Fn(&dyn ReadAt) -> Result<Option<Mmp>, Failure>,
) -> Result<Option<Mmp>, Failure> {
    let whole = read(disk)?;
    if whole.as_ref().is_some_and(Mmp::is_in_use) {
        return Ok(whole);
    }
    // A table that cannot be read is reported by the code that depends on it.
    let mut options = table::Options::default();
    options.sector_bytes = sector_bytes;
    let table = table::read(disk, &options).ok();
    let mut damaged = whole;
    for partition in table.iter().flat_map(|table| &table.partitions) {
        let window = Window::new(disk, partition.range.clone());
        let own = window.map(|window| read(&window)).transpose()?.flatten();
        if own.as_ref().is_some_and(Mmp::is_in_use) {
            return Ok(own);
        }
        damaged = damaged.or(own.filter(|mmp| matches!(mmp, Mmp::Damaged(_))));
    }
    Ok(damaged)
}
