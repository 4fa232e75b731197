//! The directory tree of exFAT.

use blockio::{ReadAt, len_u64};

use super::boot::Boot;
pub(super) use super::entry::Allocation;
use super::entry::{ENTRY_BYTES, Item, Reader};
use crate::bits::Bits;
use crate::bytes::usize_of;
use crate::chains::Table;
use crate::claims::{Claims, fault_of};
use crate::error::{Structure, fill};
use crate::finding::{ClusterFault, Distrust, Step};

/// Most directories that wait to be read.
const WAITING_MAX: usize = 1 << 20;

/// What only the root directory holds.
#[derive(Debug, Default)]
pub(super) struct RootItems {
    pub(super) bitmaps: Vec<Allocation>,
    pub(super) label: Vec<u8>,
}

/// Looks into the root directory before it is known which clusters are free.
pub(super) fn read_root<R: ReadAt + ?Sized>(
    disk: &R,
    boot: &Boot,
    table: &mut Table<'_, R>,
) -> Step<RootItems> {
    let free = Bits::new(u64::from(boot.heap.count));
    let mut claims = Claims::new(boot.heap, free);
    let mut root = RootItems::default();
    let mut directory = Directory::new(disk, boot);
    let mut each = |item| {
        match item {
            // Two are wrong already.
            Item::Bitmap(bitmap) if root.bitmaps.len() < 2 => root.bitmaps.push(bitmap),
            Item::Label(label) => root.label = label,
            Item::Bitmap(_) | Item::File(_) | Item::Directory(_) => {}
        }
        Ok(())
    };
    table.claim(&mut claims, boot.root, 1, |at| {
        directory.take(at, &mut each)
    })?;
    Ok(root)
}

/// Claims the clusters of all files and directories.
pub(super) fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    boot: &Boot,
    table: &mut Table<'_, R>,
    claims: &mut Claims,
) -> Step<()> {
    let mut waiting = vec![Allocation {
        first: boot.root,
        bytes: 0,
        is_run: false,
    }];
    let mut is_root = true;
    while let Some(next) = waiting.pop() {
        let mut files = Vec::new();
        let mut directory = Directory::new(disk, boot);
        let mut each = |item| {
            match item {
                Item::Bitmap(bitmap) if is_root => files.push(bitmap),
                Item::Label(_) if is_root => {}
                Item::Bitmap(_) => return Err(Distrust::EntryType { kind: 0x81 }.into()),
                Item::Label(_) => return Err(Distrust::EntryType { kind: 0x83 }.into()),
                Item::File(file) => files.push(file),
                Item::Directory(inner) if inner.bytes > 0 || inner.first != 0 => {
                    waiting.push(inner);
                }
                Item::Directory(_) => {}
            }
            if waiting.len().max(files.len()) > WAITING_MAX {
                let limit = len_u64(WAITING_MAX);
                return Err(Distrust::TooManyDirectories { limit }.into());
            }
            Ok(())
        };
        claim(next, table, claims, |at| directory.take(at, &mut each))?;
        directory.reader.finish()?;
        for file in files {
            claim(file, table, claims, |_| Ok(()))?;
        }
        is_root = false;
    }
    Ok(())
}

/// Claims the clusters of `allocation`, and calls `each` with the byte of each.
fn claim<R: ReadAt + ?Sized>(
    allocation: Allocation,
    table: &mut Table<'_, R>,
    claims: &mut Claims,
    mut each: impl FnMut(u64) -> Step<()>,
) -> Step<()> {
    let Allocation {
        first,
        bytes,
        is_run,
    } = allocation;
    let needed = claims.heap.needed(bytes);
    if first == 0 {
        if needed > 0 {
            let found = 0;
            return Err(Distrust::Short {
                first,
                found,
                needed,
            }
            .into());
        }
        return Ok(());
    }
    if !is_run {
        return table.claim(claims, first, needed, each);
    }
    let mut cluster = first;
    for _ in 0..needed {
        each(claims.claim(first, cluster)?)?;
        let Some(next) = cluster.checked_add(1) else {
            return Err(fault_of(first, cluster, ClusterFault::Outside).into());
        };
        cluster = next;
    }
    Ok(())
}

/// One directory, read cluster by cluster.
struct Directory<'d, R: ?Sized> {
    disk: &'d R,
    cluster: Vec<u8>,
    reader: Reader,
}

impl<'d, R: ReadAt + ?Sized> Directory<'d, R> {
    fn new(disk: &'d R, boot: &Boot) -> Self {
        Self {
            disk,
            cluster: vec![0; usize_of(boot.heap.cluster_bytes.into())],
            reader: Reader::default(),
        }
    }

    /// Takes in the entries of the cluster at byte `at`.
    fn take(&mut self, at: u64, each: &mut impl FnMut(Item) -> Step<()>) -> Step<()> {
        if self.reader.is_over {
            return Ok(());
        }
        fill(self.disk, Structure::Directory, at, &mut self.cluster)?;
        for entry in self.cluster.as_chunks::<ENTRY_BYTES>().0 {
            self.reader.take(entry, each)?;
            if self.reader.is_over {
                break;
            }
        }
        Ok(())
    }
}
