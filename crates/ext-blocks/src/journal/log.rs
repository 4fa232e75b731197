//! What a log holds: copies of blocks, and what replaying them gives.
//!
//! The log is read once, from its first transaction on. Which transactions
//! count, and which copy of a block wins, is as in the kernel's recovery; copies
//! in transactions that do not count are kept apart, because e2fsck or a
//! repaired journal may replay them all the same.

use std::collections::BTreeMap;

use blockio::ReadAt;
use ext_format::error::Error;
use ext_format::finding::LogDamage;
use ext_format::geometry::Geometry;

use super::block::{BlockType, Header};
use super::blocks::{JournalBlocks, Reader};
use super::format::{Tags, commit_seconds, commit_verifies, continue_v1, revoked, tail_verifies};
use super::superblock::{JournalSuperblock, LogChecksums};

/// Most copies of blocks kept of a log: 96 MiB. mke2fs makes logs of at most
/// 262,144 blocks unless it is told to.
const COPIES_MAX: usize = 1 << 22;

/// Most blocks kept that are revoked: about 64 MiB.
const REVOKED_MAX: usize = 1 << 20;

/// A copy of a block of the filesystem, in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The block of the filesystem.
    pub(crate) block: u64,
    /// Where the copy is, within the journal.
    pub(crate) log_block: u32,
    /// The transaction.
    sequence: u32,
    /// Whether its first four bytes are the journal's magic in truth.
    pub(crate) escaped: bool,
    /// Whether replaying the log gives the block these contents.
    pub(crate) wins: bool,
}

/// What was found in a log.
#[derive(Debug)]
pub(crate) struct Log {
    /// Every copy, also in transactions that do not count, by block and in the
    /// order of the log.
    pub(crate) copies: Vec<Copied>,
    /// Transactions that are replayed.
    pub(crate) transactions: u32,
    /// The transaction after the last one that is replayed.
    pub(crate) next_sequence: u32,
    /// How many blocks of the log were looked at, from its start on.
    pub(crate) scanned: u32,
    /// Why the state after a replay is not known.
    pub(crate) damage: Option<LogDamage>,
    /// What ended the log early: kernel and e2fsck need not end it there.
    pub(crate) bad_tail: Option<LogDamage>,
}

/// Reads the log that `journal` describes.
pub(crate) fn scan<R: ReadAt + ?Sized>(
    disk: &R,
    blocks: &JournalBlocks,
    journal: &JournalSuperblock,
    geometry: Option<&Geometry>,
) -> Result<Log, Error> {
    let mut scan = Scan {
        reader: Reader::new(disk, blocks, journal.log.end),
        journal,
        geometry,
        copies: Vec::new(),
        revoked: BTreeMap::new(),
        sequence: journal.sequence,
        end: None,
        damage: None,
        bad_tail: None,
        transaction: Transaction::new(0),
        last_commit_seconds: 0,
    };
    let scanned = match journal.start {
        Some(start) => scan.run(start)?,
        None => 0,
    };
    Ok(scan.finish(scanned))
}

/// The transaction that is being read.
#[derive(Debug)]
struct Transaction {
    /// Its first copy, in all that were found.
    first_copy: usize,
    /// Its checksum in version 1.
    checksum: u32,
    damage: Option<LogDamage>,
    revoked: Vec<u64>,
}

impl Transaction {
    const fn new(first_copy: usize) -> Self {
        Self {
            first_copy,
            checksum: u32::MAX,
            damage: None,
            revoked: Vec::new(),
        }
    }
}

struct Scan<'a, R: ?Sized> {
    reader: Reader<'a, R>,
    journal: &'a JournalSuperblock,
    /// `None` where the filesystem is elsewhere.
    geometry: Option<&'a Geometry>,
    copies: Vec<Copied>,
    /// Blocks that are not replayed from their transaction or an older one.
    revoked: BTreeMap<u64, u32>,
    /// The transaction that is expected.
    sequence: u32,
    /// The first transaction that is not replayed.
    end: Option<u32>,
    damage: Option<LogDamage>,
    bad_tail: Option<LogDamage>,
    transaction: Transaction,
    last_commit_seconds: u64,
}

/// Whether the scan goes on.
enum Next {
    At(u32),
    End,
}

impl<R: ReadAt + ?Sized> Scan<'_, R> {
    /// Reads transactions from block `at` on; returns how many blocks they take.
    fn run(&mut self, mut at: u32) -> Result<u32, Error> {
        let log_blocks = self.journal.log.end.saturating_sub(self.journal.log.start);
        let mut bytes = Vec::new();
        let mut left = log_blocks;
        while left > 0 {
            self.reader.read(at, &mut bytes)?;
            let header = Header::decode(&bytes);
            let Some(header) = header.filter(|header| header.sequence == self.sequence) else {
                break;
            };
            let next = match header.block_type {
                BlockType::Descriptor => self.descriptor(at, &bytes)?,
                BlockType::Commit => self.commit(at, &bytes),
                BlockType::Revoke => self.revocations(at, &bytes),
                BlockType::SuperblockV1 | BlockType::SuperblockV2 => Next::End,
            };
            let Next::At(next) = next else { break };
            let passed = next.saturating_add(log_blocks).saturating_sub(at);
            left = left.saturating_sub(passed.rem_euclid(log_blocks).max(1));
            at = next;
        }
        Ok(log_blocks.saturating_sub(left))
    }

    /// Takes in the copies that the descriptor in block `at` describes.
    fn descriptor(&mut self, at: u32, bytes: &[u8]) -> Result<Next, Error> {
        let checksums = self.journal.checksums;
        if !tail_verifies(bytes, checksums) {
            self.blame(LogDamage::DescriptorChecksum {
                sequence: self.sequence,
                block: at,
            });
        }
        self.transaction.checksum = continue_v1(self.transaction.checksum, bytes);
        let mut log_block = at;
        let mut copy = Vec::new();
        for tag in Tags::new(bytes, self.journal) {
            log_block = self.journal.following(log_block, 1);
            if log_block == at {
                // Round the log: no transaction is as long.
                return Ok(Next::End);
            }
            self.reader.read(log_block, &mut copy)?;
            self.transaction.checksum = match checksums {
                LogChecksums::V1 => continue_v1(self.transaction.checksum, &copy),
                _ => self.transaction.checksum,
            };
            if !tag.verifies(&copy, self.sequence, checksums) {
                self.blame(LogDamage::CopyChecksum {
                    sequence: self.sequence,
                    block: log_block,
                });
                continue;
            }
            let fits = self
                .geometry
                .is_none_or(|geometry| tag.block < geometry.block_count());
            if !fits {
                self.blame(LogDamage::OutOfRange {
                    sequence: self.sequence,
                    target: tag.block,
                });
                continue;
            }
            if self.copies.len() >= COPIES_MAX {
                self.damage = Some(LogDamage::TooLarge {
                    what: "copies of blocks",
                    limit: u64::try_from(COPIES_MAX).unwrap_or(u64::MAX),
                });
                return Ok(Next::End);
            }
            self.copies.push(Copied {
                block: tag.block,
                log_block,
                sequence: self.sequence,
                escaped: tag.escaped,
                wins: false,
            });
        }
        Ok(Next::At(self.journal.following(log_block, 1)))
    }

    /// Notes what is wrong with the transaction; it counts if the transaction
    /// does.
    fn blame(&mut self, damage: LogDamage) {
        self.transaction.damage.get_or_insert(damage);
    }

    fn revocations(&mut self, at: u32, bytes: &[u8]) -> Next {
        let sound = tail_verifies(bytes, self.journal.checksums);
        match revoked(bytes, self.journal).filter(|_| sound) {
            Some(blocks) => self.transaction.revoked.extend(blocks),
            None => self.blame(LogDamage::Revocation {
                sequence: self.sequence,
                block: at,
            }),
        }
        // One transaction may fill the log, before anything says that it counts.
        if self.transaction.revoked.len() > REVOKED_MAX {
            return self.too_many_revoked();
        }
        Next::At(self.journal.following(at, 1))
    }

    /// Gives up: more blocks are revoked than are kept in memory.
    fn too_many_revoked(&mut self) -> Next {
        self.damage = Some(LogDamage::TooLarge {
            what: "revoked blocks",
            limit: u64::try_from(REVOKED_MAX).unwrap_or(u64::MAX),
        });
        Next::End
    }

    /// Ends the transaction, which counts if the commit in block `at` is sound
    /// and all before it counted.
    fn commit(&mut self, at: u32, bytes: &[u8]) -> Next {
        let next = self.journal.following(at, 1);
        let transaction =
            std::mem::replace(&mut self.transaction, Transaction::new(self.copies.len()));
        let seconds = commit_seconds(bytes);
        let sound = commit_verifies(bytes, transaction.checksum, self.journal.checksums);
        let doubtful = matches!(
            transaction.damage,
            Some(LogDamage::DescriptorChecksum { .. })
        );
        if (!sound || doubtful) && seconds < self.last_commit_seconds {
            // Left over from an earlier round of the log.
            self.copies.truncate(transaction.first_copy);
            return Next::End;
        }
        if !sound && self.end.is_none() {
            self.end = Some(self.sequence);
            self.bad_tail = Some(LogDamage::CommitChecksum {
                sequence: self.sequence,
                block: at,
            });
        }
        if self.end.is_none() {
            self.last_commit_seconds = seconds;
            if let Some(damage) = transaction.damage {
                self.damage.get_or_insert(damage);
            }
            for block in transaction.revoked {
                self.revoked.insert(block, self.sequence);
            }
            if self.revoked.len() > REVOKED_MAX {
                return self.too_many_revoked();
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        Next::At(next)
    }

    fn finish(mut self, scanned: u32) -> Log {
        // Without a commit block the transaction that the log ends in does not
        // count.
        let end = self.end.unwrap_or(self.sequence);
        // Stable: copies of one block stay in the order of the log.
        self.copies.sort_by_key(|copy| copy.block);
        let first = self.journal.sequence;
        let transactions = end.wrapping_sub(first);
        let counts = |copy: &Copied| {
            let revoked = self.revoked.get(&copy.block);
            let age = |sequence: u32| sequence.wrapping_sub(first);
            age(copy.sequence) < transactions
                && revoked.is_none_or(|revoked| age(*revoked) < age(copy.sequence))
        };
        let mut at = 0;
        while let Some(rest) = self.copies.get_mut(at..).filter(|rest| !rest.is_empty()) {
            let same = rest.chunk_by_mut(|a, b| a.block == b.block).next();
            let Some(same) = same else { break };
            at = at.saturating_add(same.len());
            if let Some(last) = same.iter_mut().rev().find(|copy| counts(copy)) {
                last.wins = true;
            }
        }
        Log {
            copies: self.copies,
            transactions,
            next_sequence: end,
            scanned,
            damage: self.damage,
            bad_tail: self.bad_tail,
        }
    }
}

#[cfg(test)]
mod tests;
