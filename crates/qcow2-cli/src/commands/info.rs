//! `qcow2 info`: what an image is, in qemu-img's shape.

mod chain;
mod encryption;
mod human;
mod image;
mod tables;

use crate::args::InfoArgs;
use crate::failure::{Failure, Outcome};
use crate::input::{Input, Unasked};
use crate::output;
use crate::remedy::{self, Reading};

use image::Info;

pub(crate) use image::compat_name;

/// Reads the header of an image and the tables beside its disk, and prints what
/// they say. Opens nothing else.
pub(crate) fn run(args: &InfoArgs) -> Result<Outcome, Failure> {
    if args.references.data_file.is_some() {
        let message = "info opens no external data file";
        return Err(Failure::Usage(message.into()));
    }
    let input = Input::open(&args.image, &args.input, Unasked::Decompress)?;
    let disk = input.into_disk(&args.input, true)?.disk;
    if args.backing_chain {
        let chain = chain::read(args, disk)?;
        output::print(&chain, args.output.output)?;
    } else {
        let reading = Reading::of_tables(args.references.references);
        let report = Info::new(&disk)
            .map_err(|error| remedy::of_image(args.image_name(), &error.into(), reading))?;
        output::print(&report, args.output.output)?;
    }
    Ok(Outcome::Done)
}
