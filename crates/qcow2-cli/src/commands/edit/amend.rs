//! `qcow2 amend`: the version, the backing file and the options of an image.

use std::os::unix::ffi::OsStrExt;

use qcow2_edit::{Amendment, NewBacking};
use qcow2_reader::BackingFormat;

use super::backing;
use super::edited::{open, report};
use crate::args::AmendArgs;
use crate::failure::{Failure, Outcome};

/// Changes what is asked for.
pub(crate) fn run(args: &AmendArgs) -> Result<Outcome, Failure> {
    let mut amendment = Amendment::default();
    amendment.version = args.compat.map(Into::into);
    amendment.lazy_refcounts = args.lazy_refcounts;
    amendment.backing = match (&args.backing, args.backing_format) {
        (Some(name), Some(format)) => Some(NewBacking::File {
            name: name.as_bytes().to_vec(),
            format: format_name(format.into()).to_vec(),
        }),
        _ => args.no_backing.then_some(NewBacking::Nothing),
    };
    if amendment == Amendment::default() {
        return Err(Failure::Usage(
            "nothing is to be amended: give --compat, --lazy-refcounts, --backing or --no-backing"
                .into(),
        ));
    }
    if let Some(name) = &args.backing {
        backing::check_is_another(&args.edited.image, name)?;
    }
    let changed = open(&args.edited.image)?.amend(&amendment);
    report(&args.edited, "amend", "amended".into(), changed)
}

/// The name of a format, as images record it.
pub(super) fn format_name(format: BackingFormat) -> &'static [u8] {
    match format {
        BackingFormat::Raw => b"raw",
        BackingFormat::Qcow2 => b"qcow2",
    }
}
