//! The directory tree of FAT12, FAT16 and FAT32.

use blockio::{ReadAt, len_u64};

use super::boot::{Boot, Root};
use super::entry::{ENTRY_BYTES, Entry};
use crate::bytes::usize_of;
use crate::chains::Table;
use crate::claims::Claims;
use crate::error::{Structure, fill};
use crate::finding::{Distrust, Step};

/// Most directories that wait to be read: 4 MiB of numbers.
const WAITING_MAX: usize = 1 << 20;

/// Most entries of a directory, by Microsoft's specification: 2 MiB.
const ENTRIES_MAX: u64 = 1 << 16;

/// Claims the clusters of all files and directories; returns the label that the root
/// directory holds.
pub(super) fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    boot: &Boot,
    table: &mut Table<'_, R>,
    claims: &mut Claims,
) -> Step<Option<Vec<u8>>> {
    let mut directory = Directory::new(boot, 0);
    match boot.root {
        Root::Fixed { start, entries } => {
            let mut bytes = vec![0; usize_of(entries.into()).saturating_mul(ENTRY_BYTES)];
            fill(disk, Structure::Directory, start, &mut bytes)?;
            directory.take(&bytes)?;
        }
        Root::Chain(first) => {
            directory.read(disk, first, table, claims)?;
        }
    }
    let label = directory.label.take();
    let mut waiting = directory.finish(table, claims)?;
    while let Some(first) = waiting.pop() {
        let mut directory = Directory::new(boot, first);
        directory.read(disk, first, table, claims)?;
        waiting.extend(directory.finish(table, claims)?);
        if waiting.len() > WAITING_MAX {
            let limit = len_u64(WAITING_MAX);
            return Err(Distrust::TooManyDirectories { limit }.into());
        }
    }
    Ok(label)
}

/// The entries of one directory.
struct Directory<'b> {
    boot: &'b Boot,
    first: u32,
    /// Entries seen.
    entries: u64,
    is_over: bool,
    label: Option<Vec<u8>>,
    directories: Vec<u32>,
    /// First clusters and lengths.
    files: Vec<(u32, u32)>,
}

impl<'b> Directory<'b> {
    const fn new(boot: &'b Boot, first: u32) -> Self {
        Self {
            boot,
            first,
            entries: 0,
            is_over: false,
            label: None,
            directories: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Takes in the entries in the chain from `first`.
    fn read<R: ReadAt + ?Sized>(
        &mut self,
        disk: &R,
        first: u32,
        table: &mut Table<'_, R>,
        claims: &mut Claims,
    ) -> Step<()> {
        let mut cluster = vec![0; usize_of(self.boot.heap.cluster_bytes.into())];
        table.claim(claims, first, 0, |at| {
            fill(disk, Structure::Directory, at, &mut cluster)?;
            self.take(&cluster)
        })
    }

    /// Takes in the entries in `bytes`.
    fn take(&mut self, bytes: &[u8]) -> Step<()> {
        for stored in bytes.chunks_exact(ENTRY_BYTES) {
            let entry = self.entries;
            self.entries = entry.saturating_add(1);
            match Entry::new(stored, self.boot.kind) {
                Entry::End => self.is_over = true,
                // Linux reads on after an entry that ends a directory.
                Entry::Label(_) | Entry::Directory(_) | Entry::File { .. } if self.is_over => {
                    let directory = self.first;
                    return Err(Distrust::AfterEnd { directory, entry }.into());
                }
                Entry::Skipped => {}
                Entry::Label(label) => self.label = Some(label),
                Entry::Directory(0) => {
                    let directory = self.first;
                    return Err(Distrust::NoCluster { directory, entry }.into());
                }
                Entry::Directory(first) => self.directories.push(first),
                Entry::File { first, bytes } => self.files.push((first, bytes)),
            }
            if entry >= ENTRIES_MAX && !self.is_over {
                let (directory, limit) = (self.first, ENTRIES_MAX);
                return Err(Distrust::LongDirectory { directory, limit }.into());
            }
        }
        Ok(())
    }

    /// Claims the clusters of the files; returns the directories.
    fn finish<R: ReadAt + ?Sized>(
        self,
        table: &mut Table<'_, R>,
        claims: &mut Claims,
    ) -> Step<Vec<u32>> {
        for (first, bytes) in self.files {
            let needed = claims.heap.needed(bytes.into());
            if first != 0 {
                table.claim(claims, first, needed, |_| Ok(()))?;
            } else if needed > 0 {
                let found = 0;
                return Err(Distrust::Short {
                    first,
                    found,
                    needed,
                }
                .into());
            }
        }
        Ok(self.directories)
    }
}
