//! Reads the whole disk of an image with imago: IMAGE OUTPUT.

use std::io::Write;

use imago::file::File;
use imago::qcow2::Qcow2;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, Storage, StorageOpenOptions};

fn main() -> std::io::Result<()> {
    let names: Vec<_> = std::env::args().skip(1).collect();
    let file = File::open(StorageOpenOptions::new().filename(&names[0]))?;
    let image = Qcow2::<File>::builder(file).open(DenyImplicitOpenGate::default())?;
    let disk = FormatAccess::new(image);
    let mut output = std::fs::File::create(&names[1])?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < disk.size() {
        let left = usize::try_from(disk.size() - at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        disk.read(&mut buffer[..length], at)?;
        output.write_all(&buffer[..length])?;
        at += u64::try_from(length).map_err(std::io::Error::other)?;
    }
    Ok(())
}
