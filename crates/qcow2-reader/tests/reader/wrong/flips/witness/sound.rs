//! Whether the tables of an image agree with each other.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{OFFSET, Witness, number};

const DIRTY: u64 = 1;
const BITMAPS: u64 = 0x2385_2875;
const LUKS: u64 = 0x0537_be77;

/// How a host cluster is used.
#[derive(Default)]
struct Uses {
    data: u64,
    streams: u64,
    l2: u64,
    other: u64,
    /// Without what is beside the disk.
    other_counted: u64,
    needed: bool,
}

impl Witness<'_> {
    /// Whether each host cluster that the disk needs has one use, and is counted
    /// as often as it has it, and no entry is one that nobody writes. Streams may be
    /// shorter than their entries say.
    pub(in crate::wrong::flips) fn is_sound(&self) -> bool {
        self.features & DIRTY != 0 || self.agrees(false) || self.agrees(true)
    }

    fn agrees(&self, measured: bool) -> bool {
        let mut uses = self.metadata();
        let active = (number(self.file, 40, 8), number(self.file, 36, 4));
        let mut tables = Vec::from_iter(active.0.zip(active.1));
        tables.extend(self.snapshots.iter().map(|one| (one.l1, one.l1_entries)));
        let file_bytes = u64::try_from(self.file.len()).unwrap();
        for (l1, entries) in tables {
            // Such a snapshot alone is lost.
            let is_usable = l1.is_multiple_of(self.cluster()) && l1 >= self.cluster();
            if !is_usable || l1 + entries * 8 > file_bytes {
                continue;
            }
            let needed = l1 == self.l1;
            self.add(&mut uses, l1..l1 + entries * 8, |uses| {
                uses.other += 1;
                uses.other_counted += u64::from(needed);
                uses.needed |= needed;
            });
            for index in 0..entries {
                let Some(entry) = number(self.file, l1 + index * 8, 8) else {
                    break;
                };
                self.add_table(&mut uses, entry & OFFSET, needed, measured);
            }
        }
        let end = file_bytes.div_ceil(self.cluster());
        uses.range(..end).all(|(cluster, uses)| {
            let kinds = [uses.data, uses.streams, uses.l2, uses.other];
            let times: u64 = kinds.iter().sum();
            let conflict =
                kinds.iter().filter(|times| **times > 0).count() > 1 || uses.other_counted > 1;
            let counted = uses.other > 0 || times <= self.refcount(*cluster);
            !uses.needed || !conflict && counted
        })
    }

    /// The uses of all but L1 tables, L2 tables and data.
    fn metadata(&self) -> BTreeMap<u64, Uses> {
        let mut uses = BTreeMap::new();
        let get = |at, length| number(self.file, at, length).unwrap_or(0);
        let (table, clusters) = (get(48, 8), get(56, 4));
        // What the disk needs, what it is held against, and what is beside it.
        let (disk, refcounts, beside) = ((1, true), (1, false), (0, false));
        let mut places = vec![
            (0..self.cluster(), disk),
            (table..table + clusters * self.cluster(), refcounts),
        ];
        for index in 0..clusters * self.cluster() / 8 {
            let block = get(table + index * 8, 8) & !511;
            if block != 0 {
                places.push((block..block.saturating_add(self.cluster()), refcounts));
            }
        }
        if let (Some(first), Some(last)) = (self.snapshots.first(), self.snapshots.last()) {
            places.push((first.bytes.start..last.bytes.end, beside));
        }
        let field = |data: &Range<usize>, at: u64| get(u64::try_from(data.start).unwrap() + at, 8);
        if let Some(data) = self.extension(BITMAPS).filter(|_| self.autoclear & 1 != 0) {
            let (bytes, start) = (field(&data, 8), field(&data, 16));
            places.push((start..start + bytes, beside));
            let mut at = start;
            while at < start + bytes {
                let table = get(at, 8);
                places.push((table..table + get(at + 8, 4) * 8, beside));
                at += (24 + get(at + 18, 2) + get(at + 20, 4)).next_multiple_of(8);
            }
        }
        if let Some(data) = self.extension(LUKS) {
            let start = field(&data, 0);
            places.push((start..start + field(&data, 8), disk));
        }
        for (bytes, (times, needed)) in places.into_iter().filter(|(bytes, _)| !bytes.is_empty()) {
            self.add(&mut uses, bytes, |uses| {
                uses.other += 1;
                uses.other_counted += times;
                uses.needed |= needed;
            });
        }
        uses
    }

    /// Adds an L2 table and what it uses.
    fn add_table(&self, uses: &mut BTreeMap<u64, Uses>, l2: u64, needed: bool, measured: bool) {
        if l2 == 0 || !l2.is_multiple_of(self.cluster()) {
            return;
        }
        self.add(uses, l2..l2 + self.cluster(), |uses| {
            uses.l2 += 1;
            uses.needed |= needed;
        });
        for index in 0..self.cluster() / self.entry_bytes() {
            let at = l2 + index * self.entry_bytes();
            let Some(entry) = number(self.file, at, 8) else {
                break;
            };
            let host = entry & OFFSET;
            if entry >> 62 & 1 == 1 {
                let (start, sectors) = self.stream(entry);
                let counted = start..(start / 512 + sectors) * 512;
                let needs = self.needs(&counted).filter(|_| measured);
                let end = needs.map_or(counted.end, |bytes| start + bytes);
                self.add(uses, start..end, |uses| {
                    uses.streams += 1;
                    uses.needed |= needed;
                });
            } else if host != 0 && host.is_multiple_of(self.cluster()) && !self.has_data_file() {
                self.add(uses, host..host + self.cluster(), |uses| {
                    uses.data += 1;
                    uses.needed |= needed;
                });
            }
        }
    }

    /// Bytes that its cluster needs of a stream, if that is deflate.
    fn needs(&self, counted: &Range<u64>) -> Option<u64> {
        if self.zstd {
            return None;
        }
        let at = |offset: u64| usize::try_from(offset).unwrap().min(self.file.len());
        let stream = &self.file[at(counted.start)..at(counted.end)];
        let mut cluster = vec![0; at(self.cluster())];
        let mut decoder = flate2::Decompress::new(false);
        let finish = flate2::FlushDecompress::Finish;
        decoder.decompress(stream, &mut cluster, finish).ok()?;
        let is_whole = decoder.total_out() == self.cluster();
        is_whole.then(|| decoder.total_in())
    }

    fn add(&self, uses: &mut BTreeMap<u64, Uses>, host: Range<u64>, add: impl Fn(&mut Uses)) {
        let last = u64::try_from(self.file.len()).unwrap() / self.cluster();
        let end = host.end.div_ceil(self.cluster()).min(last + 1);
        for cluster in host.start / self.cluster()..end {
            add(uses.entry(cluster).or_default());
        }
    }

    fn refcount(&self, cluster: u64) -> u64 {
        let find = || {
            let order = if self.v3 {
                number(self.file, 96, 4)?
            } else {
                4
            };
            let entries = (self.cluster() * 8) >> order;
            let (table, clusters) = (number(self.file, 48, 8)?, number(self.file, 56, 4)?);
            if cluster / entries >= clusters * self.cluster() / 8 {
                return None;
            }
            let block = number(self.file, table + cluster / entries * 8, 8)? & !511;
            let bit = (cluster % entries) << order;
            if block == 0 {
                return None;
            }
            if order >= 3 {
                return number(self.file, block + bit / 8, 1 << (order - 3));
            }
            let byte = number(self.file, block + bit / 8, 1)?;
            Some(byte >> (bit % 8) & ((1 << (1 << order)) - 1))
        };
        find().unwrap_or(0)
    }
}
