//! Items of trees, as bytes.

pub(crate) const GENERATION: u64 = 9;
pub(crate) const UUID: [u8; 16] = [0xd0; 16];
pub(crate) const FSID: [u8; 16] = [0xf5; 16];

pub(crate) type Key = (u64, u8, u64);
pub(crate) type Items = Vec<(Key, Vec<u8>)>;

/// Integers after each other.
pub(crate) fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A chunk item: its length, its kind, and its stripes by device and place.
pub(crate) fn chunk(length: u64, flags: u64, stripes: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = words(&[length, 2, 65536, flags]);
    bytes.extend(4096u32.to_le_bytes().repeat(3));
    bytes.extend((stripes.len() as u16).to_le_bytes());
    bytes.extend(if flags & 64 == 0 { [1, 0] } else { [2, 0] });
    for (device, at) in stripes {
        bytes.extend(words(&[*device, *at]));
        bytes.extend(if *device == 1 { UUID } else { [0xee; 16] });
    }
    bytes
}

pub(crate) fn dev_extent(chunk: u64, length: u64) -> Vec<u8> {
    let mut bytes = words(&[3, 256, chunk, length]);
    bytes.extend([0xcc; 16]);
    bytes
}

pub(crate) fn device(bytes: u64, used: u64) -> Vec<u8> {
    let mut item = words(&[1, bytes, used]);
    item.extend(4096u32.to_le_bytes().repeat(3));
    item.extend(words(&[0, 0, 0]));
    item.extend([0; 6]);
    item.extend(UUID);
    item.extend(FSID);
    item
}

pub(crate) fn root_item(at: u64, generation: u64, level: u8) -> Vec<u8> {
    let mut bytes = vec![0; 439];
    bytes[160..168].copy_from_slice(&generation.to_le_bytes());
    bytes[176..184].copy_from_slice(&at.to_le_bytes());
    bytes[216] = 1;
    bytes[238] = level;
    bytes
}

pub(crate) fn file_extent(at: u64, length: u64) -> Vec<u8> {
    let mut bytes = words(&[GENERATION, length]);
    bytes.extend([0, 0, 0, 0, 1]);
    bytes.extend(words(&[at, length, 0, length]));
    bytes
}

/// An extent item with a reference.
pub(crate) fn extent(is_tree: bool) -> Vec<u8> {
    let mut bytes = words(&[1, GENERATION, 1 + u64::from(is_tree)]);
    bytes.push(if is_tree { 176 } else { 184 });
    bytes.extend([0; 8]);
    bytes
}

pub(crate) fn group(used: u64, flags: u64) -> Vec<u8> {
    words(&[used, 256, flags])
}

pub(crate) fn info(runs: u32, flags: u32) -> Vec<u8> {
    [runs.to_le_bytes(), flags.to_le_bytes()].concat()
}
