//! The project's own tasks: `cargo xtask` prints them.

mod arguments;
mod bench;
mod crash;
mod demo;
mod hostile;
mod matrix;
mod mount;
mod oracle;
mod program;
mod readers;
mod reflinks;
mod roundtrip;
mod test;
mod tidy;
mod verdict;
mod workspace;

use std::env;
use std::fmt;
use std::io;
use std::process::ExitCode;

use arguments::Arguments;
use bench::measure;

/// Something `cargo xtask` can do.
struct Task {
    name: &'static str,
    run: fn(Arguments) -> TaskResult,
    /// Its arguments, and what it does.
    help: [&'static str; 2],
}

const TASKS: &[Task] = &[
    Task {
        name: "demo",
        run: demo::run,
        help: [
            "[--bin PROGRAM]",
            "pack and restore a filesystem made on the spot, check it, print the sizes",
        ],
    },
    Task {
        name: "test",
        run: test::run_all,
        help: [
            "[--install]",
            "format, lints, tidy, all tests, documentation; --install fetches the tools it lacks",
        ],
    },
    Task {
        name: "tidy",
        run: tidy::run,
        help: [
            "",
            "layers, sizes, documents: the rules a program can check",
        ],
    },
    Task {
        name: "oracle",
        run: oracle::run,
        help: [
            "--corpus DIR [--bin PROGRAM] [--fraction 1/6] [--pack-args \"…\"] [--require]",
            "hold every image of a folder against qemu-img and e2fsprogs, or its manifest",
        ],
    },
    Task {
        name: "matrix",
        run: matrix::run,
        help: [
            "[--full] [--bin PROGRAM] [--only TEXT]",
            "the same for filesystems of many makes, sizes and fill levels, and for unusual disks",
        ],
    },
    Task {
        name: "crash",
        run: crash::run,
        help: [
            "[--full] [--bin PROGRAM] [--only TEXT] [--keep DIR]",
            "filesystems the kernel was writing when the machine stopped; as root",
        ],
    },
    Task {
        name: "hostile",
        run: hostile::run,
        help: [
            "[--cases N] [--bin PROGRAM]",
            "every field of real filesystems set to values nobody would write",
        ],
    },
    Task {
        name: "readers",
        run: readers::run,
        help: [
            "[--dir DIR] [--also PROGRAM]… [--only TEXT] [--bin PROGRAM] [--write]",
            "install other readers of qcow2, and read each kind of image of ours with them; \
             --dir keeps them, --also a newer qemu-img or 7z, --write into docs/readers.md",
        ],
    },
    Task {
        name: "bench",
        run: bench::run,
        help: [
            "[--size GIB] [--rounds N] [--dir DIR] [--disk DIR] [--jobs TEXT] [--tree DIR]… \
             [--bin PROGRAM] [--write]",
            "time, memory and sizes beside other programs; --disk once more on a real disk, \
             --write into docs/benchmarks.md",
        ],
    },
];

/// How a task ends.
type TaskResult = Result<(), Failure>;

/// Why a task failed, in words for the last line.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::new(env::args().skip(1));
    let Some(name) = arguments.first() else {
        print_tasks();
        return ExitCode::SUCCESS;
    };
    if name == measure::TASK {
        return end(&name, measure::run(arguments));
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("there is no task {name}\n");
        print_tasks();
        return ExitCode::from(2);
    };
    end(&name, (task.run)(arguments))
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
