//! Reads blocks of trees, from whichever copy on this device is right.

use std::sync::{Mutex, PoisonError};

use blockio::{ReadAt, len_u64};

use super::block::{Block, Shape};
use super::pointer::Pointer;
use crate::bytes::usize_of;
use crate::error::{Error, Structure, fill};
use crate::finding::{BlockFault, Distrust, Finding, Step, Stop};
use crate::superblock::Superblock;
use crate::volume::Chunks;

/// Most damaged copies that are reported.
const FINDINGS_MAX: usize = 64;

/// Reads blocks of the trees of one filesystem.
#[derive(Debug)]
pub(crate) struct Reader<'d, R: ?Sized> {
    disk: &'d R,
    pub(crate) chunks: Chunks,
    shape: Shape,
    findings: Mutex<Vec<Finding>>,
}

impl<'d, R: ReadAt + ?Sized> Reader<'d, R> {
    pub(crate) fn new(disk: &'d R, superblock: &Superblock, chunks: Chunks) -> Self {
        Self {
            disk,
            chunks,
            shape: Shape::of(superblock),
            findings: Mutex::default(),
        }
    }

    /// Bytes of a block.
    pub(crate) fn node_bytes(&self) -> u64 {
        len_u64(self.shape.bytes)
    }

    /// The damaged copies that were met, and the chunks.
    pub(crate) fn into_parts(self) -> (Vec<Finding>, Chunks) {
        let findings = self.findings.into_inner();
        (
            findings.unwrap_or_else(PoisonError::into_inner),
            self.chunks,
        )
    }

    /// The block that `pointer` refers to.
    pub(crate) fn read(&self, pointer: &Pointer) -> Step<Block> {
        let end = pointer.at.checked_add(self.node_bytes());
        let range = end.map(|end| pointer.at..end);
        if range.is_none_or(|range| self.chunks.holding(&range).is_none()) {
            return Err(pointer.fault(BlockFault::Unmapped).into());
        }
        let mut bytes = vec![0; self.shape.bytes];
        let (mut worst, mut unreadable, mut bad) = (None, None, Vec::new());
        for copy in 0..self.chunks.copies(pointer.at) {
            let at = match self.copy(pointer.at, copy, &mut bytes) {
                Ok(Some(at)) => at,
                Ok(None) => continue,
                Err(error) => {
                    unreadable = unreadable.or(Some(error));
                    continue;
                }
            };
            match Block::check(bytes, pointer, &self.shape) {
                Ok(block) => {
                    self.note(&bad);
                    return Ok(block);
                }
                Err((fault, back)) => {
                    bytes = back;
                    bad.push(Finding::Copy { at });
                    let better = |worst: &BlockFault| worst.rank() >= fault.rank();
                    worst = worst.filter(better).or(Some(fault));
                }
            }
        }
        Err(match (unreadable, worst) {
            (Some(error), _) => Stop::Read(error),
            (None, Some(fault)) => pointer.fault(fault).into(),
            (None, None) => Stop::Distrust(Distrust::Elsewhere {
                tree: pointer.tree.cast_signed(),
                at: pointer.at,
            }),
        })
    }

    /// Fills `bytes` from a copy of those at `at`. Returns where it is on the disk; `None` if
    /// part of it is on another device.
    fn copy(&self, at: u64, copy: u64, bytes: &mut [u8]) -> Result<Option<u64>, Error> {
        let (mut rest, mut next, mut first) = (bytes, at, None);
        while !rest.is_empty() {
            let Some(place) = self.chunks.place(next, copy) else {
                return Ok(None);
            };
            let Some(on_disk) = place.at else {
                return Ok(None);
            };
            let length = usize_of(place.bytes).min(rest.len());
            let (part, after) = rest.split_at_mut(length);
            fill(self.disk, Structure::TreeBlock, on_disk, part)?;
            first = first.or(Some(on_disk));
            next = next.saturating_add(place.bytes);
            rest = after;
        }
        Ok(first)
    }

    fn note(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        let mut all = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FINDINGS_MAX.saturating_sub(all.len());
        let new = findings.iter().copied().take(room);
        for finding in new {
            if !all.contains(&finding) {
                all.push(finding);
            }
        }
    }
}
