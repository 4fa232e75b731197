//! Reads the whole disk of an image with qcow2-rs: IMAGE OUTPUT.

use std::error::Error;
use std::io::{Read, Write};

use qcow2_rs::dev::Qcow2DevParams;
use qcow2_rs::helpers::Qcow2IoBuf;
use qcow2_rs::utils::qcow2_setup_dev_sync;

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<_> = std::env::args().skip(1).collect();
    futures::executor::block_on(read(&names[0], &names[1]))
}

async fn read(image: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let text = |error: qcow2_rs::error::Qcow2Error| error.to_string();
    // Its slices of tables, of 4 KiB, must not be larger than a cluster.
    let mut header = [0; 24];
    std::fs::File::open(image)?.read_exact(&mut header)?;
    let slices = Some((12.min(header[23]), 1 << 20));
    // Read only, in blocks of 512 bytes.
    let params = Qcow2DevParams::new(9, slices, slices, true, false);
    let disk = qcow2_setup_dev_sync(image.as_ref(), &params).map_err(text)?;
    disk.qcow2_prep_io().await.map_err(text)?;
    let size = disk.info.virtual_size();
    let mut output = std::fs::File::create(output)?;
    let mut buffer = Qcow2IoBuf::<u8>::new(1 << 20);
    let mut at = 0;
    while at < size {
        let length = buffer.len().min(usize::try_from(size - at)?);
        let got = disk.read_at(&mut buffer[..length], at).await.map_err(text)?;
        if got == 0 {
            return Err(format!("nothing more can be read at {at}").into());
        }
        output.write_all(&buffer[..got])?;
        at += u64::try_from(got)?;
    }
    Ok(())
}
