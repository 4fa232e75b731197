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
    match run(&Cli::parse()) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<Outcome, Failure> {
    signals::clean_up_on_signals()
        .map_err(|error| Failure::Failed(format!("cannot install signal handlers: {error}")))?;
    match &cli.command {
        Command::Pack(args) => commands::pack::run(args),
        Command::Blocks(args) => commands::blocks::run(args),
        Command::Unpack(args) => commands::unpack::run(args),
        Command::Info(args) => commands::info::run(args),
        Command::Map(args) => commands::map::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Digest(args) => commands::digest::run(args),
        Command::Measure(args) => commands::measure::run(args),
        Command::Dump(args) => commands::dump::run(args),
        Command::Punch(args) => commands::punch::run(args),
    }
}
