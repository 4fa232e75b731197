//! Images of any shape, put together from clusters in any order, with the disk
//! that they hold.

use std::io::Write;
use std::ops::Range;

use crate::common::{put, put32, put64};

pub(crate) const DEFLATE: u8 = 0;
pub(crate) const ZSTD: u8 = 1;

/// An image with its tables in front: header, L1 table, all L2 tables, then
/// what is added, then a refcount table of zeros.
pub(crate) struct Builder {
    bits: u32,
    pub(crate) file: Vec<u8>,
    /// What the image holds.
    pub(crate) disk: Vec<u8>,
    l2_tables: usize,
}

impl Builder {
    pub(crate) fn new(bits: u32, size: usize, compression: u8) -> Self {
        let cluster = 1usize << bits;
        let l1_entries = size.div_ceil(cluster * (cluster / 8)).max(1);
        let l2_tables = cluster + (l1_entries * 8).next_multiple_of(cluster);
        let mut file = vec![0; l2_tables + l1_entries * cluster];
        put(&mut file, 0, b"QFI\xfb");
        put32(&mut file, 4, 3);
        put32(&mut file, 20, bits);
        put64(&mut file, 24, u64::try_from(size).unwrap());
        put32(&mut file, 36, u32::try_from(l1_entries).unwrap());
        put64(&mut file, 40, u64::try_from(cluster).unwrap());
        put32(&mut file, 56, 1);
        put32(&mut file, 96, 4);
        put32(&mut file, 100, 112);
        if compression == ZSTD {
            file[79] = 8;
            file[104] = 1;
        }
        for index in 0..l1_entries {
            let table = u64::try_from(l2_tables + index * cluster).unwrap();
            put64(&mut file, cluster + index * 8, 1 << 63 | table);
        }
        Self {
            bits,
            file,
            disk: vec![0; size],
            l2_tables,
        }
    }

    pub(crate) fn cluster(&self) -> usize {
        1 << self.bits
    }

    /// Host offset of the entry of guest cluster `index`.
    pub(crate) fn entry_at(&self, index: usize) -> usize {
        self.l2_tables + index * 8
    }

    /// Says what guest cluster `index` holds.
    fn holds(&mut self, index: usize, bytes: &[u8]) {
        let start = index * self.cluster();
        let length = bytes.len().min(self.disk.len() - start);
        self.disk[start..start + length].copy_from_slice(&bytes[..length]);
    }

    /// Stores `bytes` as guest cluster `index`, in the next free cluster.
    pub(crate) fn plain(&mut self, index: usize, bytes: &[u8]) {
        let host = self.file.len().next_multiple_of(self.cluster());
        self.file.resize(host, 0);
        self.file.extend(bytes);
        self.file.resize(host + self.cluster(), 0);
        let entry = self.entry_at(index);
        put64(
            &mut self.file,
            entry,
            1 << 63 | u64::try_from(host).unwrap(),
        );
        self.holds(index, bytes);
    }

    /// Stores `stream`, which gives `bytes`, as guest cluster `index`, right
    /// behind what was stored last.
    pub(crate) fn stream(&mut self, index: usize, stream: &[u8], bytes: &[u8]) {
        let host = self.file.len();
        self.file.extend(stream);
        let more_sectors = (host % 512 + stream.len() - 1) / 512;
        self.describe(index, host, more_sectors);
        self.holds(index, bytes);
    }

    /// Lets guest cluster `index` be a stream at `host`.
    pub(crate) fn describe(&mut self, index: usize, host: usize, more_sectors: usize) {
        assert!(more_sectors < 1 << (self.bits - 8));
        let entry = 1 << 62 | more_sectors << (70 - self.bits) | host;
        let at = self.entry_at(index);
        put64(&mut self.file, at, u64::try_from(entry).unwrap());
    }

    /// Lets guest cluster `index` be a zero cluster.
    pub(crate) fn zero(&mut self, index: usize) {
        let at = self.entry_at(index);
        put64(&mut self.file, at, 1);
        self.holds(index, &vec![0; self.cluster()]);
    }

    /// The file, with its refcount table and the refcounts in it.
    fn finish_counted(self) -> Vec<u8> {
        let (cluster, entries) = (self.cluster(), self.disk.len().div_ceil(self.cluster()));
        let sectors_shift = 70 - self.bits;
        let data = self.l2_tables + entries.div_ceil(cluster / 8) * cluster;
        let mut uses: Vec<usize> = (0..data).step_by(cluster).collect();
        for index in 0..entries {
            let at = self.entry_at(index);
            let entry = u64::from_be_bytes(self.file[at..at + 8].try_into().unwrap());
            let entry = usize::try_from(entry & !(1 << 63)).unwrap();
            if entry >> 62 == 1 {
                let host = entry & ((1 << sectors_shift) - 1);
                let sectors = (entry & !(1 << 62)) >> sectors_shift;
                let end = (host / 512 + sectors + 1) * 512;
                uses.extend((host / cluster * cluster..end).step_by(cluster));
            } else if entry > 1 {
                uses.push(entry);
            }
        }
        let (mut file, _) = self.finish();
        let block = file.len();
        uses.extend([block - cluster, block]);
        put64(&mut file, block - cluster, u64::try_from(block).unwrap());
        file.resize(block + cluster, 0);
        for host in uses {
            file[block + host / cluster * 2 + 1] += 1;
        }
        file
    }

    /// The file, with its refcount table.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        let table = self.file.len().next_multiple_of(self.cluster());
        self.file.resize(table + self.cluster(), 0);
        put64(&mut self.file, 48, u64::try_from(table).unwrap());
        (self.file, self.disk)
    }
}

/// Words that compress to about a half, different for each `seed`.
pub(crate) fn words(seed: usize, length: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).unwrap();
    let mut bytes = Vec::with_capacity(length + 10);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(format!("{} ", state >> 14).bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `bytes` as a stream.
pub(crate) fn compressed(compression: u8, bytes: &[u8]) -> Vec<u8> {
    if compression == ZSTD {
        return zstd::bulk::compress(bytes, 3).unwrap();
    }
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image of every kind of cluster in a row, over and over, in guest order.
/// The disk ends within a compressed cluster.
pub(crate) fn mixed(bits: u32, compression: u8, clusters: usize) -> (Vec<u8>, Vec<u8>) {
    mix(bits, compression, clusters).finish()
}

/// The same with refcounts, and where its guest data is.
pub(crate) fn mixed_counted(
    bits: u32,
    compression: u8,
    clusters: usize,
) -> (Vec<u8>, Range<usize>) {
    let builder = mix(bits, compression, clusters);
    let start = builder.l2_tables + clusters.div_ceil(builder.cluster() / 8) * builder.cluster();
    let end = builder.file.len();
    (builder.finish_counted(), start..end)
}

fn mix(bits: u32, compression: u8, clusters: usize) -> Builder {
    let cluster = 1usize << bits;
    let mut builder = Builder::new(bits, clusters * cluster - 100, compression);
    for index in 0..clusters {
        let bytes = words(index, cluster);
        match index % 9 {
            _ if index == clusters - 1 => {
                builder.stream(index, &compressed(compression, &bytes), &bytes);
            }
            0 => builder.zero(index),
            1 => {}
            2 | 3 => builder.plain(index, &bytes),
            4 => {
                let zeros = vec![0; cluster];
                builder.stream(index, &compressed(compression, &zeros), &zeros);
            }
            _ => builder.stream(index, &compressed(compression, &bytes), &bytes),
        }
    }
    builder
}
