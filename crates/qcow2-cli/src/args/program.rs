//! What concerns the program as a whole: the form of its errors, and the commands that
//! describe its command line.

mod errors;
mod generate;

use crate::{failure, output};

pub(super) use errors::are_json;
pub(crate) use generate::{CompletionsArgs, ManArgs};

/// Reports `error`, of a command line that makes no sense, and ends the process.
pub(super) fn exit(error: &clap::Error, is_json: bool, is_like_qemu: bool) -> ! {
    let code = match is_like_qemu {
        true => 1,
        false => u8::try_from(error.exit_code()).unwrap_or(2),
    };
    if is_json {
        output::print_error(&failure::usage(&error.to_string(), code));
    } else {
        // If it cannot be printed, the exit code says enough.
        let _ = error.print();
    }
    std::process::exit(code.into())
}
