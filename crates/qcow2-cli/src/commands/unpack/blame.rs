//! Which file an error of `qcow2 unpack` is about, and what can be done about it.

use std::path::Path;

use qcow2_reader::Error;

use crate::args::UnpackArgs;
use crate::failure::{Failure, STDOUT};
use crate::input;
use crate::source::Ask;

/// The failure that `error` is, of the image or of the target.
pub(super) fn blame(args: &UnpackArgs, error: &Error) -> Failure {
    match error {
        Error::Spool { source } => return input::no_room(source),
        Error::TooMuchData { max } => {
            return Failure::because(args.image_name(), too_much(*max));
        }
        _ => {}
    }
    let of_target = matches!(error, Error::Write { .. } | Error::Resize { .. });
    match (of_target, args.to_stdout()) {
        (true, true) => Failure::about(Path::new(STDOUT), error),
        (true, false) => Failure::about(&args.target, error),
        (false, _) => of_image(args, error),
    }
}

/// The failure that `error` is, of the image.
pub(super) fn of_image(args: &UnpackArgs, error: &Error) -> Failure {
    ask(args).failure(error)
}

/// What is asked of the image.
pub(super) fn ask(args: &UnpackArgs) -> Ask<'_> {
    Ask {
        args: &args.opening,
        name: args.image_name(),
        salvage: Some(args.salvage),
        has_base: false,
    }
}

/// What is said of an image with more data than `most` bytes.
pub(super) fn too_much(most: u64) -> String {
    format!("it restores to more than the {most} bytes that --max-output allows")
}
