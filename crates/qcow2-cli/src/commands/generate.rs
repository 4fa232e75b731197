//! `qcow2 completions` and `qcow2 man`: the command line, described to shells and in manual
//! pages. Both are for those who build packages.

use std::io;
use std::path::Path;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::failure::{Failure, Outcome, STDOUT};
use crate::output;

/// Prints a script that completes the command line.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Outcome, Failure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    let written = io::Write::write_all(&mut io::stdout().lock(), &script);
    output::unless_left_early(written)
        .map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
    Ok(Outcome::Done)
}

/// Writes manual pages.
pub(crate) fn man(args: &ManArgs) -> Result<Outcome, Failure> {
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .map_err(|error| Failure::about(&args.folder, &error))?;
    Ok(Outcome::Done)
}
