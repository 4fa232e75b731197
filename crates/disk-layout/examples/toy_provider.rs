//! A provider for a toy filesystem, and what a disk with it holds: the whole of what
//! docs/adding-a-filesystem.md speaks of, in one file.
//!
//! The toy has blocks of one size. The first one begins with a header, all numbers in
//! little endian; the second one is a bitmap with a bit for each block, set if it is used.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `TOYFS\0\0\x01` |
//! | 8 | 4 | size of a block in bytes: a power of two from 512 to 4096 |
//! | 12 | 4 | number of blocks: 2 up to the bits of the bitmap |
//! | 16 | 4 | sum of the bytes of the bitmap |
//! | 20 | 4 | 1 if it was left clean |
//!
//! ```text
//! cargo run --example toy_provider
//! ```

use std::error::Error as StdError;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, ReadAt, Tiling};
use disk_layout::{
    Belief, Blocks, Candidate, Content, ContentReport, Disk, Error, Evidence, FilesystemInfo, Keep,
    Options, OtherClaim, Part, Probe, Provider,
};

const MAGIC: &[u8; 8] = b"TOYFS\0\0\x01";

/// Knows the toy.
#[derive(Debug)]
pub(crate) struct Toy;

/// A header that was found.
struct Header<'d> {
    part: Part<'d>,
    block_bytes: u64,
    blocks: u64,
    bitmap_sum: u32,
    is_clean: bool,
}

/// A toy filesystem that was looked into.
struct ToyContent {
    extents: Vec<Extent>,
    report: ContentReport,
}

impl Provider for Toy {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        let mut header = [0; 24];
        if part.size() < 24 {
            return Ok(Probe::NotMine);
        }
        read(part, 0, &mut header)?;
        if !header.starts_with(MAGIC) {
            return Ok(Probe::NotMine);
        }
        let number = |at: usize| {
            let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        Ok(Probe::Mine(Box::new(Header {
            part: part.clone(),
            block_bytes: number(8).into(),
            blocks: number(12).into(),
            bitmap_sum: number(16),
            is_clean: number(20) == 1,
        })))
    }
}

impl Header<'_> {
    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<&'static str> {
        let block_sizes = 512..=4096;
        if !block_sizes.contains(&self.block_bytes) || !self.block_bytes.is_power_of_two() {
            Some("the size of its blocks is none that a toy has")
        } else if !(2..=self.block_bytes * 8).contains(&self.blocks) {
            Some("it has too few or too many blocks")
        } else if self.block_bytes * self.blocks > self.part.size() {
            Some("it is larger than the disk")
        } else {
            None
        }
    }

    /// Why nothing of it is free.
    fn distrust(&self, claim: Option<OtherClaim>, bitmap: &[u8]) -> Option<String> {
        if let Some(OtherClaim::Part(found)) = claim {
            return Some(format!("the disk is also claimed by {}", found.claim));
        }
        // Hashes over free blocks, and claims of a kind that came later.
        if claim.is_some() {
            return Some("something else needs its free blocks".to_owned());
        }
        let sum: u32 = bitmap.iter().map(|byte| u32::from(*byte)).sum();
        if sum != self.bitmap_sum {
            return Some("the bitmap has a wrong checksum".to_owned());
        }
        (!self.is_clean).then(|| "it was not left clean".to_owned())
    }

    /// What each byte of the part is.
    fn extents(&self, bitmap: &[u8], tail: ExtentKind) -> Vec<Extent> {
        let is_used = |block: u64| {
            let byte = usize::try_from(block / 8).ok();
            let byte = byte.and_then(|byte| bitmap.get(byte));
            // What no bit tells is used, and so are the header and the bitmap.
            block < 2 || byte.is_none_or(|byte| byte >> (block % 8) & 1 == 1)
        };
        let block = |block: u64| {
            let kind = if is_used(block) {
                ExtentKind::Data
            } else {
                ExtentKind::Free
            };
            Extent::new(
                block * self.block_bytes..(block + 1) * self.block_bytes,
                kind,
            )
        };
        let end = self.blocks * self.block_bytes;
        let after = Extent::new(end..self.part.size(), tail);
        let all = (0..self.blocks).map(block).chain([after]);
        Merge::new(all.map(Ok::<_, Error>)).flatten().collect()
    }
}

impl<'d> Candidate<'d> for Header<'d> {
    fn belief(&self) -> Belief {
        match self.fault() {
            Some(_) => Belief::Nothing,
            None => Belief::Bytes {
                bytes: self.block_bytes * self.blocks,
            },
        }
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        if options.keep == Keep::Metadata {
            let why = "a toy does not tell them apart".to_owned();
            return Err(Error::NoMetadata { why });
        }
        let mut info = FilesystemInfo::new("toy");
        let mut bitmap = Vec::new();
        let mut distrust = self.fault().map(str::to_owned);
        if distrust.is_none() {
            info.blocks = Some(Blocks {
                bytes: self.block_bytes,
                count: self.blocks,
            });
            // At most 4096 bytes, since the header is right.
            bitmap.resize(usize::try_from(self.block_bytes).unwrap_or(0), 0);
            read(&self.part, self.block_bytes, &mut bitmap)?;
            distrust = self.distrust(claim, &bitmap);
        }
        let tail = if options.drop_tail {
            ExtentKind::Free
        } else {
            ExtentKind::Data
        };
        let extents = match distrust {
            Some(_) => vec![Extent::new(0..self.part.size(), ExtentKind::Data)],
            None => self.extents(&bitmap, tail),
        };
        let mut report = ContentReport::new(info);
        report.evidence = distrust.is_none().then_some(Evidence::Map);
        report.distrust = distrust;
        Ok(Box::new(ToyContent { extents, report }))
    }
}

impl Tiling for ToyContent {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        self.extents.extents(range)
    }
}

impl Content for ToyContent {
    fn report(&self) -> ContentReport {
        self.report.clone()
    }
}

fn read(part: &Part<'_>, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
    part.read_at(offset, buf)
        .map_err(|error| Error::Content(error.into()))
}

/// A clean toy of `blocks` blocks of 512 bytes, of which `used` are used besides the first
/// two. Every block is full.
pub(crate) fn make(blocks: u8, used: Range<u8>) -> Vec<u8> {
    let mut disk = vec![0xaa; usize::from(blocks) * 512];
    let mut bitmap = [0u8; 512];
    for block in (0..2).chain(used) {
        bitmap[usize::from(block / 8)] |= 1 << (block % 8);
    }
    let sum: u32 = bitmap.iter().map(|byte| u32::from(*byte)).sum();
    disk[..8].copy_from_slice(MAGIC);
    for (index, number) in [512, u32::from(blocks), sum, 1].into_iter().enumerate() {
        let at = 8 + index * 4;
        disk[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    disk[512..1024].copy_from_slice(&bitmap);
    disk
}

/// Prints what a disk with a toy on it holds.
pub(crate) fn main() -> Result<(), Box<dyn StdError>> {
    let source = make(16, 5..9);
    let disk = Disk::open_with(&source, &Options::default(), &[&Toy])?;
    println!("{:?}", disk.report());
    for extent in disk.extents(0..disk.size()) {
        let extent = extent.map_err(|error| error.to_string())?;
        println!("{:>6} {:>6} {:?}", extent.start, extent.length, extent.kind);
    }
    Ok(())
}
