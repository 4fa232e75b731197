//! `qcow2 info`: what an image is, in qemu-img's shape, and what is on a disk.

mod chain;
mod encryption;
mod human;
mod image;
mod layout;
mod tables;

use hostdisk::in_use;
use qcow2_reader::{Image, OpenOptions};

use crate::args::InfoArgs;
use crate::containers;
use crate::failure::{Failure, Outcome};
use crate::input::{Input, Unasked};
use crate::output;
use crate::references;
use crate::remedy::{self, Reading};

use image::Info;
use layout::OnDisk;

pub(crate) use image::compat_name;

/// Reads the header of an image and the tables beside its disk, and prints what
/// they say. Opens nothing else, but for the disk in it if that is asked for. Of a raw disk
/// it tells what is on it.
pub(crate) fn run(args: &InfoArgs) -> Result<Outcome, Failure> {
    if args.references.data_file.is_some() && !args.layout {
        let message = "info opens no external data file";
        return Err(Failure::Usage(message.into()));
    }
    let input = Input::open(&args.image, &args.input, Unasked::Decompress)?;
    let disk = input.into_disk(&args.input, true)?.disk;
    if args.backing_chain {
        let chain = chain::read(args, disk)?;
        output::print(&chain, args.output.output)?;
        return Ok(Outcome::Done);
    }
    let name = args.image_name();
    let report = if containers::is_disk(&disk) {
        let mut report = Info::raw(&disk);
        let user = in_use::source_in_use(&disk)?.map(|user| user.to_string());
        let sector_bytes = u32::try_from(disk.sector_bytes()?).ok();
        report.disk = Some(OnDisk::new(name, &disk, user, sector_bytes)?);
        report
    } else {
        let reading = Reading::of_tables(args.references.references);
        let failed = |error: qcow2_reader::Error| remedy::of_image(name, &error, reading);
        let mut report = Info::new(&disk).map_err(|error| failed(error.into()))?;
        if args.layout {
            let mut gate = references::gate(&args.references, &disk);
            let options = OpenOptions::default();
            let image = Image::open_with(disk, &options, &mut gate).map_err(failed)?;
            references::check_use(&args.references, name, &gate)?;
            report.disk = Some(OnDisk::new(name, &image, None, None)?);
        }
        report
    };
    output::print(&report, args.output.output)?;
    let has_notes = report.disk.is_some_and(|disk| disk.has_notes());
    Ok(if has_notes {
        Outcome::DoneWithNotes
    } else {
        Outcome::Done
    })
}
