//! Records of a log: a header of one block or more, and operations after it.

use blockio::ReadAt;

use super::fault::{LogFault, Step};
use super::ring::{BLOCK, RECORD_MAGIC, Ring, cycle_of};
use crate::bytes::{array, be32, be64, byte, le32, usize_of};
use crate::checksum::CRC32C;

/// Bytes of a block of the log.
const BASIC: u32 = 512;

/// Bits of `h_version`.
const VERSION_2: u32 = 2;
const VERSIONS: u32 = 3;
/// Bytes of operations whose cycle numbers fit into one block of a header.
const BYTES_PER_HEADER: u32 = 32 << 10;
/// Blocks of operations whose cycle numbers fit into one block of a header.
const BLOCKS_PER_HEADER: usize = 64;
/// Most bytes of operations of a record.
const DATA_BYTES_MAX: u32 = 256 << 10;
/// Most blocks of a record, its headers among them.
pub(crate) const RECORD_BLOCKS_MAX: u32 = 520;

/// Byte of the cycle numbers in the header's first block, and in the others.
const CYCLES_AT: usize = 44;
const MORE_CYCLES_AT: usize = 4;
/// Bytes of the header's first block that its checksum covers: on most machines, and on
/// 32-bit x86, where the structure has no padding at its end.
const HEADER_SUMMED: [usize; 2] = [328, 324];
/// Byte of the checksum there, and bytes that it covers of the header's other blocks.
const CHECKSUM_AT: usize = 32;
const MORE_HEADER_SUMMED: usize = 260;

/// `h_fmt` of a little-endian machine. Items of transactions have the byte order of the
/// machine that wrote them.
const LITTLE_ENDIAN: u32 = 1;

/// Flag of the operation that an unmount writes, and where an operation has its flags.
const UNMOUNT: u8 = 0x20;
const OPERATION_FLAGS_AT: usize = 9;

/// What the header of a record says, as far as it is checked when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Where the record begins.
    pub(crate) block: u32,
    pub(crate) cycle: u32,
    /// Log sequence numbers: cycle and block, of this record and of the oldest record
    /// whose changes may be in the log only.
    pub(crate) lsn: u64,
    pub(crate) tail_lsn: u64,
    /// Bytes of operations.
    pub(crate) data_bytes: u32,
    pub(crate) operations: u32,
    header_blocks: u32,
    checksum: u32,
    format: u32,
    uuid: [u8; 16],
}

impl Header {
    /// The header whose first block has these bytes and begins at `block`.
    fn decode(bytes: &[u8], block: u32, is_version2: bool) -> Result<Self, LogFault> {
        let fault = |field, found: u32| LogFault::Record {
            block,
            field,
            found: u64::from(found),
        };
        if be32(bytes, 0) != RECORD_MAGIC {
            return Err(fault("h_magicno", be32(bytes, 0)));
        }
        let version = be32(bytes, 8);
        if version == 0 || version & !VERSIONS != 0 {
            return Err(fault("h_version", version));
        }
        let is_version2 = is_version2 && version & VERSION_2 != 0;
        let size = match be32(bytes, 320) {
            0 => BYTES_PER_HEADER,
            size if is_version2 => size,
            _ => BYTES_PER_HEADER,
        };
        if size > DATA_BYTES_MAX {
            return Err(fault("h_size", size));
        }
        let (data_bytes, operations) = (be32(bytes, 12), be32(bytes, 40));
        // The record that mkfs writes is as long as a stripe unit, and says 32 KiB.
        let is_unmount = operations == 1 && data_bytes <= DATA_BYTES_MAX;
        if data_bytes == 0 || data_bytes > size && !is_unmount {
            return Err(fault("h_len", data_bytes));
        }
        Ok(Self {
            block,
            cycle: be32(bytes, 4),
            lsn: be64(bytes, 16),
            tail_lsn: be64(bytes, 24),
            data_bytes,
            operations,
            header_blocks: size.div_ceil(BYTES_PER_HEADER),
            checksum: le32(bytes, CHECKSUM_AT),
            format: be32(bytes, 300),
            uuid: array(bytes, 304),
        })
    }

    /// The header at `block`.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        ring: &Ring<'_, R>,
        block: u32,
        is_version2: bool,
    ) -> Step<Self> {
        let mut bytes = [0; BLOCK];
        ring.read(block, &mut bytes)?;
        let header = Self::decode(&bytes, block, is_version2)?;
        if header.blocks() > ring.count() {
            let found = u64::from(header.data_bytes);
            let field = "h_len";
            return Err(LogFault::Record {
                block,
                field,
                found,
            }
            .into());
        }
        Ok(header)
    }

    /// Blocks of the record.
    pub(crate) fn blocks(&self) -> u32 {
        let data = self.data_bytes.div_ceil(BASIC);
        self.header_blocks.saturating_add(data)
    }

    /// The block after the record.
    pub(crate) fn end<R: ReadAt + ?Sized>(&self, ring: &Ring<'_, R>) -> u32 {
        ring.after(self.block, self.blocks())
    }

    /// Holds what no record of this log can lack against the log with `uuid`.
    pub(crate) fn check_owner(&self, uuid: &[u8; 16]) -> Result<(), LogFault> {
        let block = self.block;
        if self.uuid == *uuid {
            return Ok(());
        }
        Err(LogFault::Uuid { block })
    }

    fn fault(&self, field: &'static str, found: impl Into<u64>) -> LogFault {
        LogFault::Record {
            block: self.block,
            field,
            found: found.into(),
        }
    }

    /// Checks what matters to a record that is replayed.
    pub(crate) fn check_replayed(&self) -> Result<(), LogFault> {
        if self.format != LITTLE_ENDIAN {
            return Err(self.fault("h_fmt", self.format));
        }
        let lsn = u64::from(self.cycle) << 32 | u64::from(self.block);
        if self.lsn != lsn {
            return Err(self.fault("h_lsn", self.lsn));
        }
        let described = self.header_blocks.saturating_mul(BYTES_PER_HEADER);
        if self.data_bytes > described {
            return Err(self.fault("h_len", self.data_bytes));
        }
        Ok(())
    }
}

/// A record in memory.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    /// All its blocks.
    bytes: Vec<u8>,
}

impl Record {
    /// The record at `block`, as it is stored, in the memory of `bytes`.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        ring: &Ring<'_, R>,
        block: u32,
        is_version2: bool,
        mut bytes: Vec<u8>,
    ) -> Step<Self> {
        let header = Header::read(ring, block, is_version2)?;
        bytes.resize(blocks_bytes(header.blocks()), 0);
        ring.read(block, &mut bytes)?;
        Ok(Self { header, bytes })
    }

    fn data_at(&self) -> usize {
        blocks_bytes(self.header.header_blocks)
    }

    /// Its operations, as they are stored.
    fn data(&self) -> &[u8] {
        let data = self.bytes.get(self.data_at()..).unwrap_or_default();
        let length = usize_of(u64::from(self.header.data_bytes));
        data.get(..length).unwrap_or_default()
    }

    /// Whether it was written by an unmount: in place of operations.
    pub(crate) fn is_unmount(&self) -> bool {
        let flags = byte(self.data(), OPERATION_FLAGS_AT);
        self.header.operations == 1 && flags & UNMOUNT != 0
    }

    /// Holds its checksum against its bytes. A checksum of 0 was not computed, which is
    /// allowed if `is_needed` is not set.
    pub(crate) fn check_sum(&self, is_needed: bool) -> Result<(), LogFault> {
        let Header {
            block, checksum, ..
        } = self.header;
        let computed = HEADER_SUMMED.map(|length| self.checksum(length));
        if computed.contains(&checksum) || checksum == 0 && !is_needed {
            return Ok(());
        }
        let [computed, _] = computed;
        let stored = checksum;
        Err(LogFault::Checksum {
            block,
            stored,
            computed,
        })
    }

    /// Holds the checksum, as [`check_sum`](Self::check_sum) does, and the cycle numbers of
    /// its blocks against its bytes.
    pub(crate) fn verify<R: ReadAt + ?Sized>(
        &self,
        ring: &Ring<'_, R>,
        is_needed: bool,
    ) -> Result<(), LogFault> {
        self.check_sum(is_needed)?;
        let block = self.header.block;
        let cycle = self.header.cycle;
        let to_end = ring.count().saturating_sub(block);
        for (index, stored) in (0u32..).zip(self.bytes.chunks(BLOCK)) {
            // After the end of the log it goes on at the start, in the next cycle.
            let wanted = if index < to_end {
                cycle
            } else {
                following(cycle)
            };
            if cycle_of(stored) != wanted {
                return Err(LogFault::Stamps { block });
            }
        }
        Ok(())
    }

    /// The checksum over its bytes as they are stored, `length` of the first.
    fn checksum(&self, length: usize) -> u32 {
        let mut digest = CRC32C.digest();
        let first = self.bytes.get(..length).unwrap_or_default();
        digest.update(first.get(..CHECKSUM_AT).unwrap_or_default());
        digest.update(&[0; 4]);
        digest.update(
            first
                .get(CHECKSUM_AT.saturating_add(4)..)
                .unwrap_or_default(),
        );
        // Only header blocks that have cycle numbers of these operations count.
        let described = self.header.data_bytes.div_ceil(BYTES_PER_HEADER);
        let described = described.min(self.header.header_blocks);
        for index in 1..described {
            let more = self.bytes.get(blocks_bytes(index)..).unwrap_or_default();
            digest.update(more.get(..MORE_HEADER_SUMMED).unwrap_or_default());
        }
        digest.update(self.data());
        digest.finalize()
    }

    /// Its operations: cycle numbers are in place of the first word of each of its blocks,
    /// and the words are in the header.
    pub(crate) fn unpack(&mut self) -> &[u8] {
        let at = self.data_at();
        let (header, data) = self.bytes.split_at_mut_checked(at).unwrap_or_default();
        for (index, block) in data.chunks_mut(BLOCK).enumerate() {
            let (part, word) = (index / BLOCKS_PER_HEADER, index % BLOCKS_PER_HEADER);
            let start = if part == 0 { CYCLES_AT } else { MORE_CYCLES_AT };
            let from = part.saturating_mul(BLOCK).saturating_add(start);
            let from = from.saturating_add(word.saturating_mul(4));
            if let Some(first) = block.first_chunk_mut::<4>() {
                *first = array(header, from);
            }
        }
        self.data()
    }

    /// Its memory, to be used again.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }
}

fn blocks_bytes(blocks: u32) -> usize {
    usize_of(u64::from(blocks)).saturating_mul(BLOCK)
}

/// The cycle after `cycle`; the one that is a header's magic is left out.
const fn following(cycle: u32) -> u32 {
    match cycle.wrapping_add(1) {
        RECORD_MAGIC => RECORD_MAGIC.wrapping_add(1),
        next => next,
    }
}
