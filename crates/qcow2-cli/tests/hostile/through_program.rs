//! Through the program, whose memory and time are measured.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use fixtures::SplitMix;
use fixtures::measure::measure;

use crate::fields::{Field, Subject};
use crate::support::suite::{Level, level, program, variable};
use crate::support::verdict::Verdict;

/// Says for how many changes of several fields of each filesystem it is.
const CASES: &str = "HOSTILE_CASES";
/// Changes of several fields of each filesystem where the variable says nothing,
/// and with `QCOW2_TESTS=full`.
const CASES_DEFAULT: u64 = 100;
const CASES_FULL: u64 = 1000;
/// One of so many goes through the program.
const PROGRAM_SHARE: u64 = 5;
/// What the program may take.
const MEMORY_BYTES: u64 = 256 << 20;
const TIME: Duration = Duration::from_secs(5);
/// Before it is ended, so that it can be told how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most fields that are changed together.
const MIXED_MAX: u64 = 4;

/// Packs changed filesystems: tells each that something is wrong with.
pub(super) fn judge_some(subject: &Subject) -> io::Result<Verdict> {
    let cases = match variable(CASES) {
        Some(cases) => cases.parse().map_err(io::Error::other)?,
        None if level() == Level::Full => CASES_FULL,
        None => CASES_DEFAULT,
    };
    let count = u64::div_ceil(cases, PROGRAM_SHARE);
    let program = program();
    let image = tempfile::NamedTempFile::new()?;
    fs::write(image.path(), &subject.disk)?;
    let mut random = SplitMix::new(10);
    let (mut problems, mut peak_bytes, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for number in 0..count {
        let values = some_values(subject, &mut random);
        let patches = subject.patches(&values, number % 4 != 0);
        for (at, bytes) in &patches {
            image.as_file().write_all_at(bytes, offset(*at))?;
        }
        // The image goes nowhere, and so the report to the standard error.
        let content = if number % 2 == 0 { "used" } else { "metadata" };
        let words = [
            program.tool().path().display().to_string(),
            "pack".into(),
            format!("--content={content}"),
            image.path().display().to_string(),
            "-".into(),
        ];
        let run = measure(&words, PATIENCE)?;
        peak_bytes = peak_bytes.max(run.cost.peak_bytes);
        longest = longest.max(run.cost.time);
        let ended = matches!(run.code, Some(0 | 1 | 3)) && !run.stderr.is_empty();
        if !ended || run.cost.peak_bytes > MEMORY_BYTES || run.cost.time > TIME {
            let what: Vec<_> = values
                .iter()
                .map(|(field, value)| format!("{} = {value:#x}", field.name))
                .collect();
            problems.push(format!("{}: {run:?}", what.join(", ")));
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
    Ok(Verdict::Ran(problems))
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
