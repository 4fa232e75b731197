//! `qcow2 create`: a new image with nothing in it.

use std::os::unix::ffi::OsStrExt;

use hostdisk::{Target, TargetOptions};
use qcow2_edit::{Changed, NewImage};

use super::amend::format_name;
use super::backing;
use super::edited::failure;
use super::report::Report;
use crate::args::CreateArgs;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::Bytes;

/// Makes the image.
pub(crate) fn run(args: &CreateArgs) -> Result<Outcome, Failure> {
    let path = &args.image;
    let below = match (&args.backing, args.backing_format) {
        (Some(name), Some(format)) => Some(backing::named(path, name, format.into())?),
        _ => None,
    };
    let size = args.size.or(below.map(|(size, _)| size));
    let Some(size) = size else {
        return Err(Failure::Usage(
            "SIZE is missing, and there is no backing file to take it from".into(),
        ));
    };
    let mut wanted = NewImage::of_size(size);
    wanted.cluster_bits = args.cluster_size;
    wanted.version = args.compat.into();
    wanted.refcount_order = args.refcount_bits;
    wanted.extended_l2 = args.extended_l2;
    wanted.compression_type = args.compression_type.into();
    wanted.lazy_refcounts = args.lazy_refcounts;
    if let (Some(name), Some(format)) = (&args.backing, args.backing_format) {
        let name = name.as_os_str().as_bytes().to_vec();
        wanted.backing = Some((name, format_name(format.into()).to_vec()));
    }
    let options = TargetOptions {
        force: args.force,
        sync: !args.no_sync,
        sources: below.map(|(_, file)| file).into_iter().collect(),
        head_bytes: args.cluster_size.bytes(),
        ..TargetOptions::default()
    };
    let target = Target::create(path, &options)?;
    qcow2_edit::create(&target, &wanted).map_err(|error| failure(path, error))?;
    let file_bytes = blockio::ReadAt::size(&target);
    target.commit()?;
    let done = format!(
        "created an image of a disk of {} ({size} bytes)",
        Bytes(size)
    );
    let mut changed = Changed::default();
    changed.file_bytes = file_bytes;
    if !args.quiet {
        let report = Report::new(path, "create", done, &changed);
        output::print_done(&report, args.output.output, false);
    }
    Ok(Outcome::Done)
}
