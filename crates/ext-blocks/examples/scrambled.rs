//! Copies the metadata of an ext2/3/4 filesystem to a file of the same length,
//! with scrambled names and with holes elsewhere. What was done goes to
//! standard error.
//!
//! ```text
//! cargo run --release --example scrambled -- disk.img scrambled.img
//! ```

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use blockio::{ExtentKind, ReadAt, random_bytes};
use ext_blocks::{Detected, Options, ScrambleKey, detect};

/// Most bytes copied at a time.
const PIECE_BYTES: u64 = 1 << 20;

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
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: scrambled IMAGE TARGET".into());
    };
    let file = File::open(source)?;
    let bytes = file.metadata()?.len();
    let disk = Image { file, bytes };
    let target = File::create_new(target)?;
    target.set_len(bytes)?;
    let Detected::Ext(filesystem) = detect(&disk, &Options::default())? else {
        return Err("no ext superblock".into());
    };
    match filesystem.recovered()? {
        Ok(recovered) => copy(&recovered, &target),
        Err(reason) => {
            eprintln!("not recovered: {reason}");
            copy(&disk, &target)
        }
    }
}

fn copy<R: ReadAt>(disk: &R, target: &File) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let Detected::Ext(filesystem) = detect(disk, &Options::default())? else {
        return Err("no ext superblock".into());
    };
    let key = ScrambleKey::new(random_bytes()?);
    let scrambled = filesystem.scrambled(&key)??;
    eprintln!("{:?}, in {:?}", scrambled.report(), start.elapsed());
    let mut shown = 0;
    for extent in scrambled.extents() {
        let extent = extent?;
        if extent.kind != ExtentKind::Data {
            continue;
        }
        shown += extent.length;
        let mut at = extent.start;
        while at < extent.end() {
            let length = PIECE_BYTES.min(extent.end() - at);
            let mut bytes = vec![0; usize::try_from(length)?];
            scrambled.read_at(at, &mut bytes)?;
            target.write_all_at(&bytes, at)?;
            at += length;
        }
    }
    eprintln!("{shown} bytes, in {:?}", start.elapsed());
    Ok(())
}
