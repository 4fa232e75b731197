//! Compares two files or block devices byte by byte, and prints the SHA-256 of both if
//! they are the same.
//!
//! ```text
//! cargo run --release --example compare_disks -- disk.img copy.img
//! ```

use std::env;
use std::error::Error;
use std::fmt::Write;

use blockio::{AllData, ReadAt};
use disk_compare::{Options, compare, sha256};
use hostdisk::Disk;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(one), Some(other)) = (arguments.next(), arguments.next()) else {
        return Err("usage: compare_disks DISK DISK".into());
    };
    println!("{}", digest(&Disk::open(one)?, &Disk::open(other)?)?);
    Ok(())
}

/// The digest of two disks that are the same.
pub(crate) fn digest(
    one: &(impl ReadAt + ?Sized),
    other: &(impl ReadAt + ?Sized),
) -> Result<String, Box<dyn Error>> {
    let options = Options::default();
    compare(one, &AllData, other, &AllData, &options)?;
    let mut text = String::new();
    for byte in sha256(one, &AllData, &options)? {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
