//! What concerns the program as a whole: the form of its errors, and the commands that
//! describe its command line.

mod errors;
mod generate;

pub(crate) use errors::are_json;
pub(crate) use generate::{CompletionsArgs, ManArgs};
