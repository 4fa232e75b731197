//! Holds what the reader says of a chain of images against what QEMU says.

use std::fmt::Debug;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt, len_u64, tiles};
use fixtures::SplitMix;
use hostdisk::{Disk, StreamTarget};
use qcow2_reader::{
    DiskGate, Error, Image, ImageError, ImageStream, OpenOptions, References, Secret, UnpackOptions,
};

use crate::chain::Chain;
use crate::check;
use crate::lists;
use crate::oracle::{Mapped, Oracle, Truth};
use crate::tally::Tally;
use crate::tools::{PASSPHRASE, Tools};

/// What a target is full of before it is written.
const FILLING: u8 = 0xaa;

/// Compares the top, and says what there was to compare.
pub(crate) fn compare(tools: &Tools, chain: &Chain) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let Some(layer) = chain.layers.len().checked_sub(1) else {
        return Ok(tally);
    };
    if chain.layers[layer].is_raw {
        return Ok(tally);
    }
    let oracle = Oracle {
        tools,
        chain,
        layer,
    };
    let judged = judge(&oracle, &mut tally).and_then(|()| check::agrees(tools, chain));
    judged.map_err(|fault| format!("{fault}\nqemu-img check: {}", oracle.check()))?;
    Ok(tally)
}

fn judge(oracle: &Oracle<'_>, tally: &mut Tally) -> Result<(), String> {
    let truth = oracle.ask()?;
    let (chain, layer) = (oracle.chain, oracle.layer);
    let image = open(chain, layer, &options(chain, layer))?;
    tally.note(chain, layer, &truth.map);
    if len_u64(truth.disk.len()) != image.size() {
        return Err(format!("the disk has {} bytes", truth.disk.len()));
    }
    image.check_references().map_err(said("references"))?;
    for threads in [1, 3] {
        unpacks(&image, &truth.disk, threads)?;
    }
    unpacks_what_is_allocated(&image, &truth.disk)?;
    extents_agree(&image, &truth)?;
    reads_anywhere(&image, &truth.disk)?;
    let mut salvage = options(chain, layer);
    salvage.salvage = true;
    unpacks(&open(chain, layer, &salvage)?, &truth.disk, 2)?;
    tally.streamed += u64::from(arrives_on_a_pipe(chain, layer, &truth.disk)?);
    lists::agree(image.files().first(), image.header(), &truth.info, tally)?;
    for taken in &chain.layers[layer].snapshots {
        let want = oracle.snapshot(taken)?;
        let mut wanted = options(chain, layer);
        wanted.snapshot = Some(taken.name.clone().into());
        let of_snapshot = |fault| format!("snapshot {}: {fault}", taken.name);
        let image = open(chain, layer, &wanted).map_err(of_snapshot)?;
        unpacks(&image, &want, 1).map_err(of_snapshot)?;
        reads_anywhere(&image, &want).map_err(of_snapshot)?;
        tally.snapshots += 1;
    }
    Ok(())
}

/// The words for an error, with its causes.
fn said<E: Debug>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error:?}")
}

fn options(chain: &Chain, layer: usize) -> OpenOptions {
    let is_encrypted = chain.is_encrypted(layer);
    let mut options = OpenOptions::default();
    options.secret = is_encrypted.then(|| Secret::new(PASSPHRASE.into()));
    options
}

fn open(chain: &Chain, layer: usize, options: &OpenOptions) -> Result<Image<Disk>, String> {
    let disk = Disk::open(chain.path(layer)).unwrap();
    let mut gate = DiskGate::new(&disk, References::Beside);
    Image::open_with(disk, options, &mut gate).map_err(said("open"))
}

fn same(found: &[u8], want: &[u8]) -> Result<(), String> {
    if found.len() != want.len() {
        let (found, want) = (found.len(), want.len());
        return Err(format!("{found} bytes, and by QEMU {want}"));
    }
    let differs = found
        .iter()
        .zip(want)
        .position(|(found, want)| found != want);
    differs.map_or(Ok(()), |at| Err(format!("the byte at {at} differs")))
}

/// All of the disk, with nothing lost.
fn unpacks(image: &Image<Disk>, want: &[u8], threads: usize) -> Result<(), String> {
    let target = MemoryDisk::new(vec![FILLING; 77]);
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::new(threads).unwrap();
    let report = image.unpack(&target, &options).map_err(said("unpack"))?;
    if !report.lost.is_empty() {
        return Err(format!("lost: {:?}", report.lost));
    }
    same(&target.into_bytes(), want).map_err(|fault| format!("unpack, {threads} threads: {fault}"))
}

/// What the image allocates itself is written, and nothing else is touched.
fn unpacks_what_is_allocated(image: &Image<Disk>, want: &[u8]) -> Result<(), String> {
    let target = MemoryDisk::new(vec![FILLING; want.len()]);
    let mut options = UnpackOptions::default();
    options.only_allocated = true;
    let report = image.unpack(&target, &options);
    report.map_err(said("unpack what is allocated"))?;
    let mut expected = want.to_vec();
    for extent in tiling(image.allocated_extents(0..u64::MAX), image.size())? {
        if extent.kind == ExtentKind::Unallocated {
            expected[place(&extent.range())].fill(FILLING);
        }
    }
    same(&target.into_bytes(), &expected).map_err(|fault| format!("what is allocated: {fault}"))
}

fn place(range: &Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}

fn tiling(
    extents: impl Iterator<Item = Result<Extent, ImageError>>,
    size: u64,
) -> Result<Vec<Extent>, String> {
    let extents: Result<Vec<_>, _> = extents.collect();
    let extents = extents.map_err(said("extents"))?;
    if !tiles(extents.iter().copied(), size) {
        return Err("the extents do not tile the disk".into());
    }
    Ok(extents)
}

/// What is stored is data in both, and what is nowhere is unused; what the top
/// leaves to its backing file is the same.
fn extents_agree(image: &Image<Disk>, truth: &Truth) -> Result<(), String> {
    let extents = tiling(image.extents(0..u64::MAX), image.size())?;
    let own = tiling(image.allocated_extents(0..u64::MAX), image.size())?;
    let by_us = |extents: &[Extent], is: fn(ExtentKind) -> bool| {
        let all = extents.iter();
        runs(all.map(|extent| (extent.range(), is(extent.kind))))
    };
    let by_qemu = |is: fn(&Mapped) -> bool| {
        let all = truth.map.iter();
        runs(all.map(|entry| (entry.guest.clone(), is(entry))))
    };
    for (what, ours, theirs) in [
        (
            "what is data",
            by_us(&extents, |kind| kind == ExtentKind::Data),
            by_qemu(|entry| entry.is_data),
        ),
        (
            "what the top allocates",
            by_us(&own, |kind| kind != ExtentKind::Unallocated),
            by_qemu(|entry| entry.is_present && entry.depth == 0),
        ),
    ] {
        let both = ours.iter().zip(&theirs);
        if let Some((ours, theirs)) = both.clone().find(|(ours, theirs)| ours != theirs) {
            return Err(format!("{what}: {ours:?}, and by QEMU {theirs:?}"));
        }
    }
    let absent = truth.map.iter().filter(|entry| !entry.is_present);
    for entry in absent {
        let claimed = extents.iter().find(|extent| {
            extent.kind != ExtentKind::Unallocated
                && extent.start < entry.guest.end
                && entry.guest.start < extent.end()
        });
        if let Some(extent) = claimed {
            let guest = &entry.guest;
            return Err(format!("{extent:?}, and by QEMU nothing is at {guest:?}"));
        }
    }
    Ok(())
}

/// Where runs end that are so or not, with neighbours joined.
fn runs(all: impl Iterator<Item = (Range<u64>, bool)>) -> Vec<(u64, bool)> {
    let mut ends: Vec<(u64, bool)> = Vec::new();
    for (range, is) in all {
        match ends.last_mut() {
            Some((end, was)) if *was == is => *end = range.end,
            _ => ends.push((range.end, is)),
        }
    }
    ends
}

fn reads_anywhere(image: &Image<Disk>, want: &[u8]) -> Result<(), String> {
    let mut random = SplitMix::new(1);
    for _ in 0..30 {
        let start = random.below(image.size());
        let length = random.below(100_000).min(image.size() - start);
        let mut part = vec![0xee; usize::try_from(length).unwrap()];
        let read = image.read_at(start, &mut part);
        read.map_err(said(&format!("read at {start}")))?;
        same(&part, &want[place(&(start..start + length))])
            .map_err(|fault| format!("{length} bytes at {start}: {fault}"))?;
    }
    Ok(())
}

/// Whether the image can be read from a pipe: all that need no other file can.
fn arrives_on_a_pipe(chain: &Chain, layer: usize, want: &[u8]) -> Result<bool, String> {
    for ordered in [false, true] {
        let input = File::open(chain.path(layer)).unwrap();
        let (target, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
        let stream = ImageStream::open(input, MemoryDisk::default(), &options(chain, layer));
        let unpacked = stream.and_then(|mut stream| {
            stream.check_references();
            if ordered {
                stream.write_in_order();
                return stream.unpack(&pipe, &UnpackOptions::default());
            }
            stream.unpack(&target, &UnpackOptions::default())
        });
        match unpacked {
            Err(Error::ReferenceFromPipe { .. }) => return Ok(false),
            unpacked => drop(unpacked.map_err(said("from a pipe"))?),
        }
        let disk = match ordered {
            true => pipe.into_inner(),
            false => target.into_bytes(),
        };
        same(&disk, want).map_err(|fault| format!("from a pipe: {fault}"))?;
    }
    Ok(true)
}
