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

use args::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    match run(&args::parse()) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(failure) => {
            output::report_failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
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
        Command::Check(args) => commands::check::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Digest(args) => commands::digest::run(args),
        Command::Measure(args) => commands::measure::run(args),
        Command::Dump(args) => commands::dump::run(args),
        Command::Punch(args) => commands::punch::run(args),
        Command::Create(args) => commands::edit::create(args),
        Command::Resize(args) => commands::edit::resize(args),
        Command::Commit(args) => commands::edit::commit(args),
        Command::Rebase(args) => commands::edit::rebase(args),
        Command::Snapshot(args) => commands::edit::snapshot(args),
        Command::Bitmap(args) => commands::edit::bitmap(args),
        Command::Amend(args) => commands::edit::amend(args),
        Command::Report(args) => commands::report::run(args),
        Command::Completions(args) => commands::generate::completions(args),
        Command::Man(args) => commands::generate::man(args),
    }
}
