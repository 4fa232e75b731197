//! `qcow2 rebase`: another backing file below the same disk.

use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use blockio::{Extent, ExtentKind, Tiling};
use disk_compare::{Base, Options, changes};
use hostdisk::Disk;
use qcow2_edit::{Amendment, DiskWrite, NewBacking};
use qcow2_reader::Image;

use super::amend::format_name;
use super::edited::{open, report};
use super::{backing, overlay};
use crate::args::RebaseArgs;
use crate::failure::{Failure, Outcome};

/// Gives the image another backing file.
pub(crate) fn run(args: &RebaseArgs) -> Result<Outcome, Failure> {
    let path = &args.edited.image;
    let editor = open(path)?;
    let (new, name) = match (&args.onto, args.onto_format) {
        (Some(name), Some(format)) => {
            let recorded = NewBacking::File {
                name: name.as_bytes().to_vec(),
                format: format_name(format.into()).to_vec(),
            };
            (
                recorded,
                format!("rebased onto {}", Path::new(name).display()),
            )
        }
        _ => (NewBacking::Nothing, "rebased onto nothing".to_owned()),
    };
    if let Some(name) = &args.onto {
        backing::check_is_another(path, name)?;
    }
    if args.unchecked {
        let mut amendment = Amendment::default();
        amendment.backing = Some(new);
        return report(&args.edited, "rebase", name, editor.amend(&amendment));
    }
    let image = overlay::open(path, &args.references)?;
    let below = match (&args.onto, args.onto_format) {
        (Some(name), Some(format)) => {
            let below = backing::chosen(path, Path::new(name), format.into(), &args.references)?;
            let top = image.files().first().map(Disk::identity);
            if top.is_some_and(|top| below.identities().contains(&top)) {
                let message = format!("{} lies on it", Path::new(name).display());
                return Err(Failure::because(path, message));
            }
            Some(below)
        }
        _ => None,
    };
    let ranges =
        differences(&image, below.as_ref()).map_err(|error| Failure::about(path, &error))?;
    let mut wanted = DiskWrite::of(&image);
    wanted.only_unallocated = true;
    wanted.backing = Some(new);
    let changed = editor.write(&wanted, ranges.into_iter().map(io::Result::Ok));
    report(&args.edited, "rebase", name, changed)
}

/// Where the disk of `image` is not what `below` holds.
fn differences(
    image: &Image<Disk>,
    below: Option<&backing::Backing>,
) -> Result<Vec<Range<u64>>, disk_compare::Error> {
    let base = match below {
        Some(below) => Base::Disk {
            disk: below.disk(),
            stored: below.stored(),
        },
        None => Base::Nothing,
    };
    let unit_bytes = image.header().cluster_bits.bytes();
    let found = changes(image, image, &base, unit_bytes, None, &Options::default())?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for extent in found.extents(0..image.size()) {
        let Extent {
            start,
            length,
            kind,
        } = extent.map_err(disk_compare::Error::Expected)?;
        let end = start.saturating_add(length);
        match ranges.last_mut() {
            _ if kind == ExtentKind::Unallocated => {}
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    Ok(ranges)
}
