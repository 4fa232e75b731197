//! `qcow2 info`: what an image is, in qemu-img's shape, and what is on a disk.

mod chain;
mod encryption;
mod human;
mod image;
mod layout;
mod tables;

use hostdisk::{Disk, in_use};
use qcow2_reader::{BackingFormat, Image, OpenOptions};

use crate::args::InfoArgs;
use crate::failure::{Failure, Outcome};
use crate::input::{Input, Unasked};
use crate::output;
use crate::references;
use crate::remedy::{self, Reading};
use crate::source;

use image::Info;
use layout::OnDisk;

pub(crate) use image::compat_name;
pub(crate) use tables::{BitmapFacts, SnapshotFacts};

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
    let is_raw = source::is_raw(args.image_name(), &disk);
    if args.backing_chain {
        let format = match is_raw {
            true => BackingFormat::Raw,
            false => BackingFormat::Qcow2,
        };
        let chain = chain::read(args, disk, format)?;
        output::print(&chain, args.output.output)?;
        return Ok(Outcome::Done);
    }
    let report = match is_raw {
        true => of_disk(args, &disk)?,
        false => of_image(args, disk)?,
    };
    output::print(&report, args.output.output)?;
    let has_notes = report.disk.is_some_and(|disk| disk.has_notes());
    Ok(if has_notes {
        Outcome::DoneWithNotes
    } else {
        Outcome::Done
    })
}

/// What is on a raw disk.
fn of_disk(args: &InfoArgs, disk: &Disk) -> Result<Info, Failure> {
    let name = args.image_name();
    if args.secret_file.is_some() {
        let message = "it is read as a raw disk, without --secret-file";
        return Err(Failure::because(name, message));
    }
    let mut report = Info::raw(disk);
    let user = in_use::source_in_use(disk)?.map(|user| user.to_string());
    let sector_bytes = u32::try_from(disk.sector_bytes()?).ok();
    report.disk = Some(OnDisk::new(name, disk, user, sector_bytes)?);
    Ok(report)
}

/// What an image is, and what is on the disk in it if that is asked for.
fn of_image(args: &InfoArgs, disk: Disk) -> Result<Info, Failure> {
    let name = args.image_name();
    let reading = Reading::of_tables(args.references.references);
    let failed = |error: qcow2_reader::Error| remedy::of_image(name, &error, reading);
    let mut report = Info::new(&disk).map_err(|error| failed(error.into()))?;
    if args.layout {
        let header = qcow2_reader::read_header(&disk).map_err(|error| failed(error.into()))?;
        let mut gate = references::gate(&args.references, &disk);
        let mut options = OpenOptions::default();
        options.secret = source::secret(args.secret_file.as_deref(), name, &header)?;
        let image = Image::open_with(disk, &options, &mut gate).map_err(failed)?;
        references::check_use(&args.references, name, &gate)?;
        report.disk = Some(OnDisk::new(name, &image, None, None)?);
    }
    Ok(report)
}
