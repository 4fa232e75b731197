//! Writes an image of a disk of 1 GiB with a few writes in no order.
//!
//! ```text
//! cargo run --example any_order -- disk.qcow2
//! ```

use std::env;
use std::error::Error;

use blockio::Store;
use hostdisk::{Target, TargetOptions};
use qcow2_writer::{ImageReport, ImageWriter, WriteOptions};

/// Length of the disk in bytes.
pub(crate) const DISK_BYTES: u64 = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let image = env::args_os().nth(1).ok_or("usage: any_order IMAGE")?;
    let target = Target::create(image, &TargetOptions::default())?;
    let report = write(&target)?;
    target.commit()?;
    println!("{report:?}");
    Ok(())
}

/// Writes the image to `target`.
pub(crate) fn write(target: impl Store) -> Result<ImageReport, qcow2_writer::Error> {
    let mut options = WriteOptions::default();
    options.size = DISK_BYTES;
    let mut writer = ImageWriter::create(target, &options)?;
    writer.write_at(DISK_BYTES - 3, b"end")?;
    writer.write_at(0, b"boot")?;
    // The same cluster again: it is overwritten where it is.
    writer.write_at(2, b"th")?;
    // Only now there is an image.
    let (_target, report) = writer.finish()?;
    Ok(report)
}
