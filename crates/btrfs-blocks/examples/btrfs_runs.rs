//! Prints which bytes of a disk image with a btrfs filesystem are in use:
//! `start length kind`, in bytes, one run a line. What is worth knowing of the
//! filesystem goes to standard error.
//!
//! ```text
//! cargo run --release --example btrfs_runs -- disk.img
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use blockio::{ReadAt, Tiling};
use btrfs_blocks::{Keep, Options, Proof, Trust, find};

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

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut path = None;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--metadata") => options.keep = Keep::Metadata,
            Some("--extents") => options.proof = Proof::Extents,
            _ => path = Some(argument),
        }
    }
    let path = path.ok_or("usage: btrfs_runs [--metadata] [--extents] IMAGE")?;
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let disk = Image { file, bytes };
    print(&disk, &options, BufWriter::new(io::stdout().lock()))
}

/// Writes the runs of `disk` to `out`.
pub(crate) fn print(
    disk: &impl ReadAt,
    options: &Options,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let candidate = find(disk)?.ok_or("no btrfs superblock")?;
    let filesystem = candidate.open(disk, options)?;
    eprintln!("{:?}, surveyed in {:?}", filesystem.info(), start.elapsed());
    if let Trust::Nothing(distrust) = filesystem.trust() {
        eprintln!("everything is used: {distrust}");
    }
    if let Some(log) = filesystem.log() {
        eprintln!("{log:?}");
    }
    for finding in filesystem.damage() {
        eprintln!("{finding}");
    }
    for extent in filesystem.extents(0..disk.size()) {
        let extent = extent.map_err(|error| error.to_string())?;
        writeln!(out, "{} {} {:?}", extent.start, extent.length, extent.kind)?;
    }
    Ok(out.flush()?)
}
