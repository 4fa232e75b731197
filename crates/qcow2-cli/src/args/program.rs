//! What concerns the program as a whole: the form of its errors, and the commands that
//! describe its command line.

mod errors;
mod generate;

use crate::{failure, output};

pub(super) use errors::are_json;
pub(crate) use generate::{CompletionsArgs, ManArgs};

/// Prints `error`, of a command line that makes no sense, as JSON, and ends the process.
pub(super) fn exit_with_json(error: &clap::Error) -> ! {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    output::print_error(&failure::usage(&error.to_string(), code));
    std::process::exit(code.into())
}
