//! A second reader, which shares nothing with the crate: what an image holds, and
//! whether its tables agree with each other.

mod sound;

use std::io::Read as _;
use std::ops::Range;

use crate::common::inflated;

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;

const DATA_FILE: u64 = 4;
const COMPRESSION: u64 = 8;
const EXTENDED: u64 = 16;

const EXACT_SIZE: u64 = 0x5132_4c4e;

/// Decrypts the sector of the disk at `guest` that is at `host` of the file.
pub(super) type Decrypt = fn(guest: u64, host: u64, sector: &mut [u8]);

/// Where the bytes of a sector are.
enum Piece {
    Below,
    Zeros,
    Plain(u64),
    Stream(Range<usize>),
}

/// An image.
pub(super) struct Witness<'f> {
    file: &'f [u8],
    bits: u64,
    v3: bool,
    features: u64,
    autoclear: u64,
    pub(super) crypt: u64,
    zstd: bool,
    extensions: Vec<(u64, Range<usize>)>,
    snapshots: Vec<Snapshot<'f>>,
    /// The disk that is read.
    l1: u64,
    l1_entries: u64,
    size: u64,
}

struct Snapshot<'f> {
    bytes: Range<u64>,
    l1: u64,
    l1_entries: u64,
    size: u64,
    id: &'f [u8],
    name: &'f [u8],
}

impl<'f> Witness<'f> {
    /// The image in `file`, or this snapshot of it.
    pub(super) fn of(file: &'f [u8], snapshot: Option<&[u8]>) -> Option<Self> {
        let v3 = number(file, 4, 4)? == 3;
        let of_v3 = |at, length| number(file, at, length).filter(|_| v3);
        let header_bytes = of_v3(100, 4).unwrap_or(72);
        let mut image = Self {
            file,
            bits: number(file, 20, 4)?,
            v3,
            features: of_v3(72, 8).unwrap_or(0),
            autoclear: of_v3(88, 8).unwrap_or(0),
            crypt: number(file, 32, 4)?,
            zstd: header_bytes > 104 && of_v3(104, 1) == Some(1),
            extensions: Vec::new(),
            snapshots: Vec::new(),
            l1: number(file, 40, 8)?,
            l1_entries: number(file, 36, 4)?,
            size: number(file, 24, 8)?,
        };
        let backing = number(file, 8, 8)?;
        let area_end = if backing == 0 {
            image.cluster()
        } else {
            backing
        };
        let mut at = header_bytes;
        while at + 8 <= area_end && number(file, at, 4)? != 0 {
            let length = number(file, at + 4, 4)?;
            let start = usize::try_from(at + 8).ok()?;
            let data = start..start + usize::try_from(length).ok()?;
            image.extensions.push((number(file, at, 4)?, data));
            at += 8 + length.next_multiple_of(8);
        }
        if let Some(data) = image.extension(EXACT_SIZE) {
            let exact = number(file, u64::try_from(data.start).ok()?, 8)?;
            if data.len() == 8 && image.size.checked_sub(exact).is_some_and(|by| by < 512) {
                image.size = exact;
            }
        }
        image.snapshots = image.read_snapshots().unwrap_or_default();
        if let Some(wanted) = snapshot {
            let by_id = image.snapshots.iter().find(|one| one.id == wanted);
            let by_name = image.snapshots.iter().find(|one| one.name == wanted);
            let one = by_id.or(by_name)?;
            (image.l1, image.l1_entries, image.size) = (one.l1, one.l1_entries, one.size);
        }
        Some(image)
    }

    fn read_snapshots(&self) -> Option<Vec<Snapshot<'f>>> {
        let mut at = number(self.file, 64, 8)?;
        let mut found = Vec::new();
        for _ in 0..number(self.file, 60, 4)? {
            let get = |offset, length| number(self.file, at + offset, length);
            let (id, name, extra) = (get(12, 2)?, get(14, 2)?, get(36, 4)?);
            let text = |start: u64, length: u64| {
                let start = usize::try_from(at + start).ok()?;
                self.file.get(start..start + usize::try_from(length).ok()?)
            };
            let end = at + 40 + extra + id + name;
            found.push(Snapshot {
                bytes: at..end,
                l1: get(0, 8)?,
                l1_entries: get(8, 4)?,
                size: if extra >= 16 { get(48, 8)? } else { self.size },
                id: text(40 + extra, id)?,
                name: text(40 + extra + id, name)?,
            });
            at = end.next_multiple_of(8);
        }
        Some(found)
    }

    fn extension(&self, kind: u64) -> Option<Range<usize>> {
        let mut extensions = self.extensions.iter();
        let found = extensions.find(|(found, _)| *found == kind);
        found.map(|(_, data)| data.clone())
    }

    fn cluster(&self) -> u64 {
        1 << self.bits
    }

    fn entry_bytes(&self) -> u64 {
        if self.features & EXTENDED == 0 { 8 } else { 16 }
    }

    /// The name of its backing file, if it has one.
    pub(super) fn backing_name(&self) -> Option<&'f [u8]> {
        let at = usize::try_from(number(self.file, 8, 8)?).ok()?;
        let length = usize::try_from(number(self.file, 16, 4)?).ok()?;
        let name = self.file.get(at..at + length)?;
        Some(name).filter(|name| at > 0 && !name.is_empty())
    }

    /// Whether its plain clusters are in a data file.
    pub(super) fn has_data_file(&self) -> bool {
        self.features & DATA_FILE != 0
    }

    fn piece(&self, guest: u64) -> Option<Piece> {
        let tables = self.cluster() / self.entry_bytes();
        let index = guest / self.cluster();
        if index / tables >= self.l1_entries {
            return Some(Piece::Below);
        }
        let entry = number(self.file, self.l1 + index / tables * 8, 8)?;
        let l2 = entry & OFFSET;
        if l2 == 0 {
            // A refcount of nothing.
            return Some(Piece::Below).filter(|_| entry & COPIED == 0);
        }
        let at = l2 + index % tables * self.entry_bytes();
        let entry = number(self.file, at, 8)?;
        if entry >> 62 & 1 == 1 {
            let (host, sectors) = self.stream(entry);
            let start = usize::try_from(host).ok()?;
            let end = usize::try_from(host / 512 * 512 + sectors * 512).ok()?;
            return Some(Piece::Stream(start..end.min(self.file.len())));
        }
        let host = entry & OFFSET;
        let is_here = host != 0 || self.has_data_file() && entry & COPIED != 0;
        if !l2.is_multiple_of(self.cluster()) || !host.is_multiple_of(self.cluster()) {
            return None;
        }
        let is_zero = self.features & EXTENDED == 0 && entry & 1 == 1;
        if entry & COPIED != 0 && !is_here && !is_zero {
            return None;
        }
        let within = guest % self.cluster();
        let (zero, data) = if self.features & EXTENDED == 0 {
            (is_zero, is_here)
        } else {
            let bitmap = number(self.file, at + 8, 8)?;
            let (zeros, there) = (bitmap >> 32, bitmap & 0xffff_ffff);
            if zeros & there != 0 || there != 0 && !is_here {
                return None;
            }
            let sub = within / (self.cluster() / 32);
            (zeros >> sub & 1 == 1, there >> sub & 1 == 1)
        };
        match (zero, data) {
            (true, _) if !self.v3 => None,
            (true, _) => Some(Piece::Zeros),
            (_, true) => Some(Piece::Plain(host + within)),
            (_, false) => Some(Piece::Below),
        }
    }

    /// Where a stream starts, and how many sectors it touches.
    fn stream(&self, entry: u64) -> (u64, u64) {
        let shift = 70 - self.bits;
        let host = entry & ((1 << shift) - 1);
        (host, (entry >> shift & ((1 << (self.bits - 8)) - 1)) + 1)
    }

    /// The disk, over the disk `below`, or `None` where a part of it cannot be
    /// there.
    pub(super) fn disk(
        &self,
        below: &[u8],
        data_file: Option<&[u8]>,
        decrypt: Option<Decrypt>,
    ) -> Option<Vec<u8>> {
        let mut disk = vec![0; usize::try_from(self.size).ok()?];
        let plain = data_file.unwrap_or(self.file);
        let mut at = 0;
        for sector in disk.chunks_mut(512) {
            let guest = u64::try_from(at).ok()?;
            match self.piece(guest)? {
                Piece::Zeros => {}
                Piece::Below => {
                    for (to, from) in sector.iter_mut().zip(below.iter().skip(at)) {
                        *to = *from;
                    }
                }
                Piece::Plain(host) => {
                    let start = usize::try_from(host).ok()?;
                    if data_file.is_some() && host != guest {
                        return None;
                    }
                    match decrypt.filter(|_| self.crypt != 0) {
                        None => {
                            sector.copy_from_slice(plain.get(start..start + sector.len())?);
                        }
                        Some(decrypt) => {
                            let mut whole = plain.get(start..start + 512)?.to_vec();
                            decrypt(guest, host, &mut whole);
                            sector.copy_from_slice(&whole[..sector.len()]);
                        }
                    }
                }
                Piece::Stream(bytes) => {
                    let cluster = self.decode(self.file.get(bytes)?)?;
                    let start = usize::try_from(guest % self.cluster()).ok()?;
                    sector.copy_from_slice(&cluster[start..start + sector.len()]);
                }
            }
            at += sector.len();
        }
        Some(disk)
    }

    fn decode(&self, stream: &[u8]) -> Option<Vec<u8>> {
        if !self.zstd || self.features & COMPRESSION == 0 {
            return inflated(stream, 1 << self.bits);
        }
        let mut cluster = vec![0; 1 << self.bits];
        let decoder = zstd::stream::read::Decoder::new(stream).ok()?;
        decoder.single_frame().read_exact(&mut cluster).ok()?;
        Some(cluster)
    }
}

/// The big-endian number of `length` bytes at `at`.
fn number(file: &[u8], at: u64, length: usize) -> Option<u64> {
    let start = usize::try_from(at).ok()?;
    let bytes = file.get(start..start.checked_add(length)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}
