//! Fields of real filesystems set to hostile values: in one process all of them,
//! and a part through the program, whose memory and time are measured.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use fixtures::hostile::{self, Field, Subject};
use fixtures::{E2fs, SplitMix};

use crate::bench::measure::measure_any;
use crate::program::Program;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace::cargo;

/// Changes of several fields of each filesystem, where none are asked for.
const CASES_DEFAULT: u64 = 1000;
/// One of so many goes through the program.
const PROGRAM_SHARE: u64 = 5;
/// What the program may take.
const MEMORY_BYTES: u64 = 256 << 20;
const TIME: Duration = Duration::from_secs(5);
/// Before it is ended, so that it can be told how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most fields that are changed together.
const MIXED_MAX: u64 = 4;

/// `cargo xtask hostile`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let cases = arguments.option("--cases")?;
    let program = arguments.option("--bin")?;
    arguments.finish()?;
    let cases = match cases {
        Some(cases) => cases
            .parse()
            .map_err(|_| "--cases needs a number".to_owned())?,
        None => CASES_DEFAULT,
    };
    let Some(e2fs) = E2fs::find() else {
        let text = "e2fsprogs is needed (`cargo xtask test --install`)";
        if fixtures::strict() {
            return Err(Failure::new(text));
        }
        println!("SKIPPED: {text}");
        return Ok(());
    };
    let program = Program::at_or_built(program)?.into_tool();
    let mut failed = 0;
    for name in hostile::NAMES {
        let subject = hostile::subject(&e2fs, name)?;
        let count = cases.div_ceil(PROGRAM_SHARE);
        failed += through_program(program.path(), &subject, count)?;
    }
    let status = cargo()
        .args([
            "test",
            "--release",
            "-p",
            "ext-scramble",
            "--test",
            "hostile",
        ])
        .args(["--", "--nocapture"])
        .env("HOSTILE_CASES", cases.to_string())
        .status()?;
    if !status.success() || failed > 0 {
        return Err(Failure::new("hostile values did harm"));
    }
    Ok(())
}

/// Packs `count` changed filesystems: how many times something is wrong.
fn through_program(program: &Path, subject: &Subject, count: u64) -> Result<u64, Failure> {
    let image = tempfile::NamedTempFile::new()?;
    fs::write(image.path(), &subject.disk)?;
    let mut random = SplitMix::new(10);
    let (mut failed, mut peak_bytes, mut longest) = (0, 0, Duration::ZERO);
    for number in 0..count {
        let values = some_values(subject, &mut random);
        let patches = subject.patches(&values, number % 4 != 0);
        for (at, bytes) in &patches {
            image.as_file().write_all_at(bytes, offset(*at))?;
        }
        // The image goes nowhere, and so the report to the standard error.
        let content = if number % 2 == 0 { "used" } else { "metadata" };
        let words = [
            program.display().to_string(),
            "pack".into(),
            format!("--content={content}"),
            image.path().display().to_string(),
            "-".into(),
        ];
        let run = measure_any(&words, PATIENCE)?;
        peak_bytes = peak_bytes.max(run.cost.peak_bytes);
        longest = longest.max(run.cost.time);
        let ended = matches!(run.code, Some(0 | 1 | 3)) && !run.stderr.is_empty();
        if !ended || run.cost.peak_bytes > MEMORY_BYTES || run.cost.time > TIME {
            failed += 1;
            let what: Vec<_> = values
                .iter()
                .map(|(field, value)| format!("{} = {value:#x}", field.name))
                .collect();
            println!("FAIL {}, {}: {run:?}", subject.name, what.join(", "));
        }
        for (at, bytes) in &patches {
            let stored = &subject.disk[*at..at + bytes.len()];
            image.as_file().write_all_at(stored, offset(*at))?;
        }
    }
    let peak_mib = peak_bytes >> 20;
    println!(
        "{}: {count} packed, at most {peak_mib} MiB and {longest:?}",
        subject.name
    );
    Ok(failed)
}

/// Some fields, and a value for each.
fn some_values<'s>(subject: &'s Subject, random: &mut SplitMix) -> Vec<(&'s Field, u64)> {
    let count = 1 + random.below(MIXED_MAX);
    let pick = |random: &mut SplitMix, length: usize| {
        usize::try_from(random.below(u64::try_from(length).unwrap_or(1))).unwrap_or(0)
    };
    (0..count)
        .map(|_| {
            let field = &subject.fields[pick(random, subject.fields.len())];
            let values = field.values(&subject.disk, random);
            (field, values[pick(random, values.len())])
        })
        .collect()
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}
