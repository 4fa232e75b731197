//! The project's own tasks: `cargo xtask` prints them.

mod api;
mod bench;
mod boot;
mod demo;
mod dist;
mod newer_tools;
mod program;
mod task;
mod test;
mod tidy;
mod workspace;

use std::env;
use std::process::ExitCode;

use task::arguments::Arguments;
use task::{Failure, TASKS, TaskResult};

fn main() -> ExitCode {
    match fixtures::measure::if_asked() {
        Ok(false) => {}
        measured => return end("measure", measured.map(drop).map_err(Failure::from)),
    }
    let mut arguments = Arguments::new(env::args().skip(1));
    let Some(name) = arguments.first() else {
        print_tasks();
        return ExitCode::SUCCESS;
    };
    let Some(run) = task_named(&name) else {
        eprintln!("there is no task {name}\n");
        print_tasks();
        return ExitCode::from(2);
    };
    end(&name, run(arguments))
}

fn task_named(name: &str) -> Option<fn(Arguments) -> TaskResult> {
    let run = match name {
        "demo" => demo::run,
        "test" => test::run_all,
        "tidy" => tidy::run,
        "bench" => bench::run,
        "boot" => boot::run,
        "dist" => dist::run,
        "api" => api::run,
        "newer-tools" => newer_tools::run,
        _ => return None,
    };
    Some(run)
}

fn end(name: &str, result: TaskResult) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn print_tasks() {
    println!("cargo xtask TASK\n");
    for task in TASKS {
        let [arguments, purpose] = task.help;
        println!("  {} {arguments}\n      {purpose}", task.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_that_is_printed_can_be_run() {
        for task in TASKS {
            assert!(task_named(task.name).is_some(), "{}", task.name);
        }
    }
}
