//! Packs the filesystem in a file or on a block device into a qcow2 image: blocks that
//! the filesystem proves free are left out. The image appears when it is complete.
//!
//! ```text
//! cargo run --release --example pack_filesystem -- root.img root.qcow2
//! ```

use std::env;
use std::error::Error;
use std::path::Path;

use hostdisk::{Target, TargetOptions, in_use};
use qcow2_writer::{PackOptions, PackReport};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(disk), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pack_filesystem DISK IMAGE".into());
    };
    let report = pack(disk.as_ref(), image.as_ref())?;
    println!("{report:?}");
    Ok(())
}

/// Packs the disk at `disk` into a new image at `image`.
pub(crate) fn pack(disk: &Path, image: &Path) -> Result<PackReport, Box<dyn Error>> {
    let file = hostdisk::Disk::open(disk)?;
    if let Some(by) = in_use::source_in_use(&file)? {
        return Err(by.to_string().into());
    }
    let options = TargetOptions {
        sources: vec![file.identity()],
        ..TargetOptions::default()
    };
    let target = Target::create(image, &options)?;
    // The policy: which bytes are proven free.
    let disk = disk_layout::Disk::open(&file, &disk_layout::Options::default())?;
    let report = qcow2_writer::pack(&disk, &disk, &target, &PackOptions::default())?;
    target.commit()?;
    Ok(report)
}
