//! exFAT.

pub(crate) mod boot;
mod entry;
mod walk;

use blockio::{ReadAt, len_u64};

use crate::bits::Bits;
use crate::bytes::usize_of;
use crate::chains::{Link, Table};
use crate::claims::{Claims, fault_of};
use crate::error::{Structure, fill};
use crate::filesystem::Info;
use crate::finding::{ClusterFault, Distrust, Step};

use boot::Boot;
use walk::Allocation;

/// Reads which clusters are free, and claims those that the directory tree needs.
pub(crate) fn survey<R: ReadAt + ?Sized>(
    disk: &R,
    sector: &[u8; 512],
    info: &mut Info,
) -> Step<Claims> {
    let boot = Boot::new(disk, sector, info)?;
    let mut table = Table::new(disk, boot.table);
    let root = walk::read_root(disk, &boot, &mut table)?;
    info.label = root.label;
    let [bitmap] = root.bitmaps[..] else {
        let found = len_u64(root.bitmaps.len());
        return Err(Distrust::Bitmaps { found }.into());
    };
    let free = free_clusters(disk, &boot, &mut table, bitmap)?;
    let mut claims = Claims::new(boot.heap, free);
    walk::walk(disk, &boot, &mut table, &mut claims)?;
    Ok(claims)
}

/// The clusters that the allocation bitmap calls free. It is a chain in the FAT.
fn free_clusters<R: ReadAt + ?Sized>(
    disk: &R,
    boot: &Boot,
    table: &mut Table<'_, R>,
    bitmap: Allocation,
) -> Step<Bits> {
    let count = u64::from(boot.heap.count);
    let (found, needed) = (bitmap.bytes, count.div_ceil(8));
    if found < needed {
        return Err(Distrust::BitmapLength { found, needed }.into());
    }
    let mut free = Bits::new(count);
    let mut bytes = vec![0; usize_of(boot.heap.cluster_bytes.into())];
    let (mut cluster, mut at) = (bitmap.first, 0u64);
    while at < count {
        let first = bitmap.first;
        let Some(index) = boot.heap.index(cluster) else {
            return Err(fault_of(first, cluster, ClusterFault::Outside).into());
        };
        fill(disk, Structure::Bitmap, boot.heap.byte(index), &mut bytes)?;
        let bits = bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
        for (number, bit) in (at..count).zip(bits) {
            if bit == 0 {
                free.set(number);
            }
        }
        at = at.saturating_add(len_u64(bytes.len()).saturating_mul(8));
        if at < count {
            cluster = match table.width().link(table.raw(cluster)?) {
                Link::Next(next) => next,
                _ => return Err(fault_of(first, cluster, ClusterFault::Reserved).into()),
            };
        }
    }
    Ok(free)
}
