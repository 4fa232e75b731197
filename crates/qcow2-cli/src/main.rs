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

use args::{Cli, Command, LIKE_QEMU};
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
    let is_like_qemu = words
        .get(1)
        .is_some_and(|command| LIKE_QEMU.iter().any(|name| command == name));
    Cli::try_parse_from(words).unwrap_or_else(|error| {
        if !error.use_stderr() {
            // Help and the version are no errors.
            error.exit();
        }
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
