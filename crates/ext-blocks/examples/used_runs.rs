//! Prints which bytes of a disk image with an ext2/3/4 filesystem are in use:
//! `start length kind`, in bytes, one run a line. What is worth knowing of the
//! filesystem goes to standard error.
//!
//! ```text
//! cargo run --release --example used_runs -- disk.img
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use blockio::ReadAt;
use ext_blocks::{Detected, Options, Trust, detect};

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
            Some("--keep-uninit") => options.keep_uninit = true,
            _ => path = Some(argument),
        }
    }
    let path = path.ok_or("usage: used_runs [--keep-uninit] IMAGE")?;
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let disk = Image { file, bytes };
    let start = Instant::now();
    print(&disk, &options, BufWriter::new(io::stdout().lock()))?;
    eprintln!("done in {:?}", start.elapsed());
    Ok(())
}

/// Writes the runs of `disk` to `out`.
pub(crate) fn print(
    disk: &impl ReadAt,
    options: &Options<'_>,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let filesystem = match detect(disk, options)? {
        Detected::Ext(filesystem) => filesystem,
        Detected::Nothing { .. } => return Err("no ext superblock".into()),
    };
    eprintln!("{:?}, surveyed in {:?}", filesystem.info(), start.elapsed());
    if let Trust::Nothing(distrust) = filesystem.trust() {
        eprintln!("everything is used: {distrust}");
    }
    eprintln!("{:?}", filesystem.unclean());
    for finding in filesystem.damage().findings() {
        eprintln!("{finding}: {}", finding.consequence());
    }
    for extent in filesystem.used_extents() {
        let extent = extent?;
        writeln!(out, "{} {} {:?}", extent.start, extent.length, extent.kind)?;
    }
    Ok(out.flush()?)
}
