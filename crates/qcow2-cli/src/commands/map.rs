//! `qcow2 map`: where the bytes of a disk are stored, in qemu-img's shape.

mod entry;
mod print;

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use blockio::ReadAt;

use crate::args::MapArgs;
use crate::failure::{Failure, Outcome, STDOUT};
use crate::output;
use crate::source::{Ask, Opening};

use entry::Error;
pub(crate) use entry::{Entries, Error as EntryError};

/// Prints where the bytes of a disk are.
pub(crate) fn run(args: &MapArgs) -> Result<Outcome, Failure> {
    let ask = Ask {
        args: &args.reading,
        name: args.image_name(),
        salvage: None,
        has_base: false,
    };
    let disk = Opening::unchecked(&args.image, &ask, args.source_format, &args.input)?;
    let range = range(args, disk.size())?;
    let entries = Entries::new(&disk, range).map(|entry| {
        entry.map_err(|error| match error {
            Error::Image(error) => ask.failure(&error),
            Error::Raw(error) => Failure::about(ask.name, &error),
        })
    });
    let names = disk.files().iter().map(|file| file.path().as_os_str());
    let names: Vec<_> = names.map(|name| name.as_bytes().to_vec()).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = print::print(entries, &names, args.output.output, &mut out)?;
    output::unless_left_early(printed.and_then(|()| out.flush()))
        .map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
    Ok(Outcome::Done)
}

/// Returns the bytes of the disk that are asked for.
fn range(args: &MapArgs, size: u64) -> Result<Range<u64>, Failure> {
    let start = args.start_offset;
    if start > size {
        let message = format!("--start-offset {start} is past the end of the disk at {size}");
        return Err(Failure::Usage(message));
    }
    let end = args.max_length.and_then(|most| start.checked_add(most));
    Ok(start..end.unwrap_or(size).min(size))
}
