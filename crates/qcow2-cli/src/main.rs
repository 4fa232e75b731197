//! The `qcow2` program: packs disks into qcow2 images and restores them exactly.

mod args;
mod commands;
mod containers;
mod failure;
mod input;
mod lost;
mod output;
mod progress;
mod references;
mod remedy;
mod signals;
mod source;
mod terminal;
mod text;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    match run(&parse()) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(failure) => {
            output::report_failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Parses the command line; if it makes no sense, says so and ends the process.
fn parse() -> Cli {
    let words: Vec<_> = std::env::args_os().collect();
    let is_json = args::errors_are_json(&words);
    if is_json {
        output::errors_as_json();
    }
    Cli::try_parse_from(words).unwrap_or_else(|error| match is_json && error.use_stderr() {
        true => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            output::print_error(&failure::usage(&error.to_string(), code));
            std::process::exit(code.into())
        }
        // Help and the version are no errors.
        false => error.exit(),
    })
}

fn run(cli: &Cli) -> Result<Outcome, Failure> {
    signals::handle_signals()
        .map_err(|error| Failure::Failed(format!("cannot install signal handlers: {error}")))?;
    match &cli.command {
        Command::Pack(args) => commands::pack::run(args),
        Command::Blocks(args) => commands::blocks::run(args),
        Command::Unpack(args) => commands::unpack::run(args),
        Command::Info(args) => commands::info::run(args),
        Command::Map(args) => commands::map::run(args),
        Command::Punch(args) => commands::punch::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Completions(args) => commands::generate::completions(args),
        Command::Man(args) => commands::generate::man(args),
    }
}
