//! Copies the metadata of an ext2/3/4 filesystem to a file of the same length,
//! with holes elsewhere; with `--drop` without what nobody will read. What is
//! damaged goes to standard error.
//!
//! ```text
//! cargo run --release --example metadata -- [--drop] disk.img metadata.img
//! ```

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use blockio::{ExtentKind, ReadAt};
use ext_blocks::{Detected, Droppable, Options, detect};

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
    let (options, files): (Vec<_>, Vec<_>) = std::env::args_os()
        .skip(1)
        .partition(|argument| argument == "--drop");
    let [source, target] = files.as_slice() else {
        return Err("usage: metadata [--drop] IMAGE TARGET".into());
    };
    let file = File::open(source)?;
    let bytes = file.metadata()?.len();
    let disk = Image { file, bytes };
    let Detected::Ext(filesystem) = detect(&disk, &Options::default())? else {
        return Err("no ext superblock".into());
    };
    let mut metadata = filesystem.metadata()??;
    if !options.is_empty() {
        let what = Droppable {
            unwritten: true,
            journal: true,
        };
        match filesystem.droppable(what)? {
            Ok(dropped) => metadata.leave_out(&dropped),
            Err(reason) => eprintln!("nothing is left out: {reason}"),
        }
    }
    for finding in metadata.damage().findings() {
        eprintln!("{finding}: {}", finding.consequence());
    }
    let target = File::create_new(target)?;
    target.set_len(bytes)?;
    let mut selected = 0;
    for extent in metadata.extents() {
        let extent = extent?;
        if extent.kind != ExtentKind::Data {
            continue;
        }
        selected += extent.length;
        let mut at = extent.start;
        while at < extent.end() {
            let length = PIECE_BYTES.min(extent.end() - at);
            let mut piece = vec![0; usize::try_from(length)?];
            disk.read_at(at, &mut piece)?;
            target.write_all_at(&piece, at)?;
            at += length;
        }
    }
    println!("{selected} of {bytes} bytes are metadata");
    Ok(())
}
