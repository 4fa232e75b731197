//! The digests of a manifest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use blockio::{ExtentKind, ReadAt};
use qcow2_reader::Image;
use sha2::{Digest, Sha256};

const BLOCK_BYTES: usize = 4096;
const PART_BYTES: usize = BLOCK_BYTES << 8;

/// The SHA-256 of the first `length` bytes of a file.
pub(super) fn digest(path: &Path, length: u64) -> io::Result<String> {
    let mut hasher = Hasher(Sha256::new());
    io::copy(&mut File::open(path)?.take(length), &mut hasher)?;
    Ok(hasher.finish())
}

/// The SHA-256 of the blocks of 4096 bytes that are not zero, each after its offset,
/// and of the length.
pub(super) fn sparse_digest(path: &Path) -> io::Result<String> {
    let mut blocks = Blocks::default();
    let mut file = File::open(path)?;
    let mut part = vec![0; PART_BYTES];
    loop {
        let mut length = 0;
        while length < part.len() {
            match file.read(&mut part[length..])? {
                0 => break,
                read => length += read,
            }
        }
        if length == 0 {
            break;
        }
        blocks.add(&part[..length])?;
    }
    blocks.finish()
}

/// The same of the disk of an image, of which no more is read than its extents
/// say is data.
pub(super) fn sparse_digest_of_extents<S: ReadAt>(image: &Image<S>) -> io::Result<String> {
    let block_bytes = blockio::len_u64(BLOCK_BYTES);
    let mut blocks = Blocks::default();
    let mut part = vec![0; PART_BYTES];
    for extent in image.extents(0..image.size()) {
        let extent = extent?;
        if extent.kind != ExtentKind::Data {
            continue;
        }
        let end = extent.end().next_multiple_of(block_bytes).min(image.size());
        // The block that it begins in may have been seen.
        let start = extent.start / block_bytes * block_bytes;
        blocks.offset = blocks.offset.max(start);
        while blocks.offset < end {
            let length = usize::try_from(end - blocks.offset).unwrap_or(usize::MAX);
            let part = &mut part[..length.min(PART_BYTES)];
            image.read_at(blocks.offset, part)?;
            blocks.add(part)?;
        }
    }
    blocks.offset = image.size();
    blocks.finish()
}

/// Blocks, one after the other.
struct Blocks {
    hasher: Hasher,
    /// Offset of the next one.
    offset: u64,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            hasher: Hasher(Sha256::new()),
            offset: 0,
        }
    }
}

impl Blocks {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        for block in bytes.chunks(BLOCK_BYTES) {
            if block.iter().any(|byte| *byte != 0) {
                self.hasher.write_all(&self.offset.to_be_bytes())?;
                self.hasher.write_all(block)?;
            }
            self.offset += blockio::len_u64(block.len());
        }
        Ok(())
    }

    /// The digest of a disk that ends here.
    fn finish(mut self) -> io::Result<String> {
        self.hasher.write_all(&self.offset.to_be_bytes())?;
        Ok(self.hasher.finish())
    }
}

struct Hasher(Sha256);

impl Hasher {
    fn finish(self) -> String {
        let bytes = self.0.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Digests are those of the tools.
pub(super) fn check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, [&[0; 4096][..], b"abc"].concat()).unwrap();
    assert_eq!(
        digest(&path, 0).unwrap(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let mut parts = Hasher(Sha256::new());
    parts.write_all(&4096u64.to_be_bytes()).unwrap();
    parts.write_all(b"abc").unwrap();
    parts.write_all(&4099u64.to_be_bytes()).unwrap();
    assert_eq!(sparse_digest(&path).unwrap(), parts.finish());
}
