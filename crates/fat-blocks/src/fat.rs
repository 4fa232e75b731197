//! FAT12, FAT16 and FAT32.

pub(crate) mod boot;
mod entry;
mod walk;

use blockio::{ReadAt, is_zero};

use crate::bits::Bits;
use crate::chains::{Link, Table, Width, decode};
use crate::claims::Claims;
use crate::clusters::FIRST_CLUSTER;
use crate::filesystem::{Info, Kind};
use crate::finding::{Distrust, Finding, Step};

use boot::Boot;

/// Reads which clusters are free, and claims those that the directory tree needs.
pub(crate) fn survey<R: ReadAt + ?Sized>(
    disk: &R,
    sector: &[u8; 512],
    info: &mut Info,
    findings: &mut Vec<Finding>,
) -> Step<Claims> {
    let boot = Boot::new(sector, disk.size(), info)?;
    let clusters = boot.clusters;
    let entries = u64::from(boot.heap.count);
    if entries < clusters {
        findings.push(Finding::ShortTable { entries, clusters });
    }
    let mut table = Table::new(disk, boot.table);
    check_first_entries(&mut table, &boot)?;
    let free = free_clusters(&mut table, boot.heap.count)?;
    let mut claims = Claims::new(boot.heap, free);
    let label = walk::walk(disk, &boot, &mut table, &mut claims)?;
    if let Some(label) = label {
        info.label = label;
    }
    Ok(claims)
}

/// The first entry holds the media descriptor, the second the marks of Windows.
fn check_first_entries<R: ReadAt + ?Sized>(table: &mut Table<'_, R>, boot: &Boot) -> Step<()> {
    let (entry, media) = (table.raw(0)?, boot.media);
    if entry.to_le_bytes().first() != Some(&media) {
        return Err(Distrust::Media { entry, media }.into());
    }
    let clean = match boot.kind {
        Kind::Fat16 => 0xc000,
        Kind::Fat32 => 0x0c00_0000,
        _ => 0,
    };
    let entry = table.raw(1)?;
    if entry & clean != clean {
        return Err(Distrust::DirtyTable { entry }.into());
    }
    Ok(())
}

/// The clusters that the FAT calls free.
fn free_clusters<R: ReadAt + ?Sized>(table: &mut Table<'_, R>, count: u32) -> Step<Bits> {
    let mut free = Bits::new(u64::from(count));
    let (width, page_entries) = (table.width(), table.page_entries());
    let end = u64::from(count).saturating_add(u64::from(FIRST_CLUSTER));
    let mut number = 0u64;
    loop {
        let first = number.saturating_mul(page_entries);
        let last = first.saturating_add(page_entries).min(end);
        if first >= end {
            return Ok(free);
        }
        let page = table.page(number)?;
        take_free(width, page, first..last, &mut free);
        number = number.saturating_add(1);
    }
}

/// Sets in `free` the clusters of `entries` that `page`, which begins with them, calls free.
fn take_free(width: Width, page: &[u8], entries: std::ops::Range<u64>, free: &mut Bits) {
    let is_all_free = is_zero(page);
    for (index, cluster) in (0u64..).zip(entries) {
        // The first two have no cluster.
        let Some(place) = cluster.checked_sub(u64::from(FIRST_CLUSTER)) else {
            continue;
        };
        if is_all_free || width.link(decode(width, page, index)) == Link::Free {
            free.set(place);
        }
    }
}
