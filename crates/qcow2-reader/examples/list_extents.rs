//! Lists what the guest bytes of an image are: offset, length and kind of each extent,
//! then where the image stores them.
//!
//! ```text
//! cargo run --example list_extents -- disk.qcow2
//! ```

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, Write};

use blockio::ReadAt;
use hostdisk::Disk;
use qcow2_reader::{Image, OpenOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let image = env::args_os().nth(1).ok_or("usage: list_extents IMAGE")?;
    list(Disk::open(image)?, BufWriter::new(io::stdout().lock()))
}

/// Writes the list of `image` to `out`.
pub(crate) fn list(image: impl ReadAt, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let image = Image::open(image, &OpenOptions::default())?;
    for extent in image.extents(0..image.size()) {
        let extent = extent?;
        writeln!(out, "{} {} {:?}", extent.start, extent.length, extent.kind)?;
    }
    for entry in image.map(0..image.size()) {
        let entry = entry?;
        writeln!(out, "{:?}: {:?}", entry.guest, entry.stored)?;
    }
    Ok(out.flush()?)
}
