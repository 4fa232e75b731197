//! Writes a range of the disk in an image to standard output.
//!
//! ```text
//! cargo run --example read_range -- disk.qcow2 1024 1024 | xxd
//! ```

use std::env;
use std::error::Error;
use std::io::{self, Write};

use blockio::ReadAt;
use hostdisk::Disk;
use qcow2_reader::{Image, OpenOptions};

/// Bytes that are read at once.
const BUFFER_BYTES: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [image, offset, length] = arguments.as_slice() else {
        return Err("usage: read_range IMAGE OFFSET LENGTH".into());
    };
    let out = io::stdout().lock();
    read(Disk::open(image)?, offset.parse()?, length.parse()?, out)
}

/// Writes `length` bytes at `offset` of the disk in `image` to `out`.
pub(crate) fn read(
    image: impl ReadAt,
    offset: u64,
    length: u64,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let image = Image::open(image, &OpenOptions::default())?;
    let end = offset
        .checked_add(length)
        .filter(|end| *end <= image.size());
    let end = end.ok_or_else(|| format!("the disk ends at {}", image.size()))?;
    let mut at = offset;
    while at < end {
        let part = BUFFER_BYTES.min(end - at);
        let mut bytes = vec![0; usize::try_from(part)?];
        image.read_at(at, &mut bytes)?;
        out.write_all(&bytes)?;
        at += part;
    }
    Ok(out.flush()?)
}
