//! A filesystem of 8 MiB with a log of 64 KiB, assembled by hand at literal offsets.

use blockio::MemoryDisk;

use crate::checksum::CRC32C;
use crate::geometry::{Geometry, LogGeometry};
use crate::log::{LogFault, LogState, Replay, View, examine};

/// The UUID of the superblock and the log, and that of metadata.
pub(super) const UUID: [u8; 16] = *b"the superblock's";
pub(super) const META_UUID: [u8; 16] = *b"that of metadata";
/// Where the log begins.
pub(super) const LOG: usize = 1 << 20;

/// `XLOG_START_TRANS` and others.
pub(super) const START: u8 = 1;
pub(super) const COMMIT: u8 = 2;
pub(super) const UNMOUNT: u8 = 0x20;

/// Blocks of 4 KiB, inodes of 512 bytes, two groups of 1024 blocks.
pub(super) fn geometry(log_blocks: u64) -> LogGeometry {
    LogGeometry {
        filesystem: Geometry {
            block_log: 12,
            sector_log: 9,
            inode_log: 9,
            ag_block_log: 10,
            ag_blocks: 1024,
            ag_count: 2,
            blocks: 2048,
            has_crc: true,
            meta_uuid: META_UUID,
        },
        start: 1 << 20,
        bytes: log_blocks * 512,
        is_version2: true,
        sector_bytes: 512,
        stripe_unit: 1,
        uuid: UUID,
        has_nrext64: false,
        log_incompat: 0,
        lsn: 0,
    }
}

/// An operation of a record: transaction, flags, bytes.
pub(super) fn op(id: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    let mut op = id.to_be_bytes().to_vec();
    op.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    op.extend([0x69, flags, 0, 0]);
    op.extend(bytes);
    op
}

/// The operations of a transaction that begins and ends within a record.
pub(super) fn whole(id: u32, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut ops = vec![op(id, START, &[]), op(id, 0, &head())];
    ops.extend(regions.iter().map(|region| op(id, 0, region)));
    ops.push(op(id, COMMIT, &[]));
    ops
}

/// The first region of a transaction.
pub(super) fn head() -> Vec<u8> {
    let mut head = b"NART".to_vec();
    head.extend([40, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    head
}

/// The first region of a buffer item: place and length in 512 bytes, chunks of 128 bytes.
pub(super) fn buffer(regions: u16, flags: u16, blocks: u16, block: u64, chunks: u32) -> Vec<u8> {
    let mut format = vec![0x3c, 0x12];
    format.extend(regions.to_le_bytes());
    format.extend(flags.to_le_bytes());
    format.extend(blocks.to_le_bytes());
    format.extend(block.to_le_bytes());
    format.extend([1, 0, 0, 0]);
    format.extend(chunks.to_le_bytes());
    format
}

/// The checksum of a record of `headers` header blocks and `length` bytes of operations.
pub(super) fn checksum(record: &[u8], headers: usize, length: usize) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(&record[..32]);
    digest.update(&[0; 4]);
    digest.update(&record[36..328]);
    for more in 1..length.div_ceil(32 << 10) {
        digest.update(&record[more * 512..][..260]);
    }
    digest.update(&record[headers * 512..][..length]);
    digest.finalize()
}

/// A disk with a log.
pub(super) struct Image {
    pub(super) disk: Vec<u8>,
    pub(super) geometry: LogGeometry,
}

impl Image {
    pub(super) fn new() -> Self {
        Self::with_log(128)
    }

    pub(super) fn with_log(blocks: u64) -> Self {
        let geometry = geometry(blocks);
        let disk = vec![0; 8 << 20];
        Self { disk, geometry }
    }

    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn blocks(&self) -> usize {
        usize::try_from(self.geometry.bytes / 512).unwrap()
    }

    /// Byte of the disk of a block of the log, which goes round.
    pub(super) fn log_byte(&self, block: usize) -> usize {
        LOG + block % self.blocks() * 512
    }

    /// Puts a record at `block`, which was written in `cycle`, and says that the oldest one
    /// needed is at `tail` of `tail_cycle`. Returns the block after it.
    pub(super) fn record(
        &mut self,
        (cycle, block): (u32, usize),
        tail: (u32, usize),
        ops: &[Vec<u8>],
    ) -> usize {
        self.sized_record((cycle, block), tail, ops, 32 << 10)
    }

    pub(super) fn sized_record(
        &mut self,
        (cycle, block): (u32, usize),
        (tail_cycle, tail): (u32, usize),
        ops: &[Vec<u8>],
        size: u32,
    ) -> usize {
        let mut data = ops.concat();
        let length = data.len();
        data.resize(length.next_multiple_of(512), 0);
        let headers = usize::try_from(size.div_ceil(32 << 10)).unwrap();
        let mut bytes = vec![0; headers * 512];
        let number = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
        let mut put = |at: usize, value: &[u8]| {
            bytes[at..at + value.len()].copy_from_slice(value);
        };
        put(0, &[0xfe, 0xed, 0xba, 0xbe]);
        put(4, &cycle.to_be_bytes());
        put(8, &[0, 0, 0, 2]);
        put(12, &number(length));
        put(16, &cycle.to_be_bytes());
        put(20, &number(block));
        put(24, &tail_cycle.to_be_bytes());
        put(28, &number(tail));
        put(40, &number(ops.len()));
        put(300, &[0, 0, 0, 1]);
        put(304, &UUID);
        put(320, &size.to_be_bytes());
        for (index, stored) in data.chunks_mut(512).enumerate() {
            let at = match index / 64 {
                0 => 44 + index * 4,
                more => more * 512 + 4 + index % 64 * 4,
            };
            put(at, &stored[..4]);
        }
        bytes.extend(data);
        let blocks = bytes.len() / 512;
        for index in 1..blocks {
            let round = u32::from(block + index >= self.blocks());
            bytes[index * 512..][..4].copy_from_slice(&(cycle + round).to_be_bytes());
        }
        let sum = checksum(&bytes, headers, length);
        bytes[32..36].copy_from_slice(&sum.to_le_bytes());
        for (index, stored) in bytes.chunks(512).enumerate() {
            let at = self.log_byte(block + index);
            self.put(at, stored);
        }
        block + blocks
    }

    /// Stamps all blocks from `from` to the end of the log with `cycle`, as an older round
    /// has left them.
    pub(super) fn older(&mut self, from: usize, cycle: u32) {
        for block in from..self.blocks() {
            let at = self.log_byte(block);
            self.put(at, &cycle.to_be_bytes());
        }
    }

    pub(super) fn examine(&self) -> LogState {
        let disk = MemoryDisk::new(self.disk.clone());
        examine(&disk, &self.geometry).unwrap()
    }

    pub(super) fn replay(&self) -> Replay {
        match self.examine() {
            LogState::Dirty(replay) => *replay,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn fault(&self) -> LogFault {
        match self.examine() {
            LogState::Unclear(fault) => fault,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        matches!(self.examine(), LogState::Clean)
    }

    /// All bytes of the disk after the replay.
    pub(super) fn after(&self) -> Vec<u8> {
        let replay = self.replay();
        let view = View::new(self.disk.clone(), replay.sectors);
        let mut bytes = vec![0; self.disk.len()];
        blockio::ReadAt::read_at(&view, 0, &mut bytes).unwrap();
        bytes
    }
}
