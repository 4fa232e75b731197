//! Prints which bytes of a disk image with an XFS filesystem are in use:
//! `start length kind`, in bytes, one run a line. What is worth knowing of the
//! filesystem goes to standard error.
//!
//! ```text
//! cargo run --release --example xfs_runs -- disk.img
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use blockio::{ReadAt, Tiling};
use xfs_blocks::{Options, Trust, detect};

/// An image file, read at any offset.
struct Image {
    file: File,
    bytes: u64,
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.bytes
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let path = std::env::args_os().nth(1).ok_or("usage: xfs_runs IMAGE")?;
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let disk = Image { file, bytes };
    print(
        &disk,
        &Options::default(),
        BufWriter::new(io::stdout().lock()),
    )
}

/// Writes the runs of `disk` to `out`.
pub(crate) fn print(
    disk: &impl ReadAt,
    options: &Options<'_>,
    mut out: impl Write,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let start = Instant::now();
    let filesystem = detect(disk, options)?.ok_or("no XFS superblock")?;
    eprintln!("{:?}, surveyed in {:?}", filesystem.info(), start.elapsed());
    if let Trust::Nothing(distrust) = filesystem.trust() {
        eprintln!("everything is used: {distrust}");
    }
    if let Some(unclean) = filesystem.unclean() {
        eprintln!("{unclean}");
    }
    for finding in filesystem.damage().findings() {
        eprintln!("{finding}");
    }
    for extent in filesystem.extents(0..disk.size()) {
        let extent = extent?;
        writeln!(out, "{} {} {:?}", extent.start, extent.length, extent.kind)?;
    }
    Ok(out.flush()?)
}
