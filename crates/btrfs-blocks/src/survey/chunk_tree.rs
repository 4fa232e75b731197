//! The chunks: those in the superblock, by which the chunk tree is read, then all.

use blockio::ReadAt;

use super::item::unsound;
use crate::finding::{Distrust, Step};
use crate::key::{KEY_BYTES, Key, item, tree};
use crate::superblock::{Device, Superblock};
use crate::tree::{Pointer, Reader, Walk};
use crate::volume::{Chunk, Chunks, flags};

/// Devices have this object in their keys.
const DEVICES: u64 = 1;

/// A reader that knows all chunks, and this device as the chunk tree has it.
pub(super) fn read<'d, R: ReadAt + ?Sized>(
    disk: &'d R,
    superblock: &Superblock,
) -> Step<(Reader<'d, R>, Device)> {
    let system = system_chunks(superblock)?;
    let mut reader = Reader::new(disk, superblock, system);
    let (mut chunks, mut device, mut systems) = (Chunks::default(), None, 0usize);
    let mut walk = Walk::new(
        &reader,
        Pointer::to_own(superblock.chunk_root(), tree::CHUNK),
    );
    while let Some(leaf) = walk.next()? {
        for item in leaf.items() {
            match item.key.kind {
                item::CHUNK => {
                    let chunk = chunk(item.key, item.bytes, superblock)?;
                    if chunk.flags & flags::SYSTEM != 0 {
                        systems = systems.saturating_add(1);
                        is_same(&reader.chunks, &chunk)?;
                    }
                    chunks.add(chunk)?;
                }
                item::DEV if item.key.offset == superblock.device.id => {
                    device = Some(this_device(item.key, item.bytes, superblock)?);
                }
                _ => {}
            }
        }
    }
    if systems != reader.chunks.len() {
        let start = reader.chunks.all().first().map_or(0, |chunk| chunk.start);
        return Err(differ(start).into());
    }
    let key = Key::new(DEVICES, item::DEV, superblock.device.id);
    let device = device.ok_or(unsound(tree::CHUNK, key, "there is none"))?;
    reader.chunks = chunks;
    Ok((reader, device))
}

/// The chunks in the superblock.
fn system_chunks(superblock: &Superblock) -> Result<Chunks, Distrust> {
    let mut chunks = Chunks::default();
    let mut rest = superblock.system_chunks();
    while !rest.is_empty() {
        let key = Key::decode(rest, 0);
        let bytes = rest.get(KEY_BYTES..).unwrap_or(&[]);
        let (chunk, length) = decode(key, bytes, superblock)?;
        if chunk.flags & flags::SYSTEM == 0 {
            return Err(differ(chunk.start));
        }
        chunks.add(chunk)?;
        rest = bytes.get(length..).unwrap_or(&[]);
    }
    Ok(chunks)
}

fn decode(key: Key, bytes: &[u8], superblock: &Superblock) -> Result<(Chunk, usize), Distrust> {
    if key.object != tree::FIRST_FREE || key.kind != item::CHUNK {
        return Err(unsound(tree::CHUNK, key, "it is no chunk"));
    }
    Chunk::decode(key.offset, bytes, superblock)
}

fn chunk(key: Key, bytes: &[u8], superblock: &Superblock) -> Result<Chunk, Distrust> {
    let (chunk, length) = decode(key, bytes, superblock)?;
    if length == bytes.len() {
        Ok(chunk)
    } else {
        Err(unsound(tree::CHUNK, key, "its length"))
    }
}

/// The superblock has a copy of each chunk that holds the chunk tree.
fn is_same(system: &Chunks, chunk: &Chunk) -> Result<(), Distrust> {
    match system.starting_at(chunk.start) {
        Some((_, same)) if same == chunk => Ok(()),
        _ => Err(differ(chunk.start)),
    }
}

const fn differ(start: u64) -> Distrust {
    Distrust::Chunk {
        start,
        what: "superblock and chunk tree differ about it",
    }
}

fn this_device(key: Key, bytes: &[u8], superblock: &Superblock) -> Result<Device, Distrust> {
    let device = Device::decode(bytes);
    let own = superblock.device;
    if key.object != DEVICES || bytes.len() != Device::BYTES {
        return Err(unsound(tree::CHUNK, key, "it is no device"));
    }
    if (device.id, device.uuid) != (own.id, own.uuid) {
        return Err(unsound(tree::CHUNK, key, "it is another device"));
    }
    Ok(device)
}
