//! Through the program, whose memory and time are measured.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::measure::{Run, measure};
use fixtures::{Program, SplitMix};

use crate::fields::{Field, Subject};
use crate::support::blocks::{unused, without};
use crate::support::mounts::scratch;
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
/// What is written at a time, if it is not all zeros.
const PIECE_BYTES: usize = 64 << 10;
/// Most fields that are changed together.
const MIXED_MAX: u64 = 4;

/// Values of each field where all are set.
const VALUES_FULL: usize = 4;
/// Problems that are told; the rest are counted.
const TOLD_MAX: usize = 20;

/// Fields, and the values they are set to.
type Values<'s> = Vec<(&'s Field, u64)>;

/// Packs changed filesystems: tells each that something is wrong with.
pub(super) fn judge_some(subject: &Subject) -> io::Result<Verdict> {
    let cases = match variable(CASES) {
        Some(cases) => cases.parse().map_err(io::Error::other)?,
        None if level() == Level::Full => CASES_FULL,
        None => CASES_DEFAULT,
    };
    let count = u64::div_ceil(cases, PROGRAM_SHARE);
    let folder = scratch()?;
    let judge = Judged::new(subject, folder.path())?;
    let mut random = SplitMix::new(10);
    let mut all: Vec<_> = (0..count)
        .map(|_| some_values(subject, &mut random))
        .collect();
    if subject.free.is_some() && level() == Level::Full {
        // No other test sets them all.
        all.extend(every_field(subject, &mut random));
    }
    let (mut problems, mut peak_bytes, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for (number, values) in all.iter().enumerate() {
        let (run, wrong) = judge.judge(values, number)?;
        peak_bytes = peak_bytes.max(run.cost.peak_bytes);
        longest = longest.max(run.cost.time);
        let what = values.iter();
        let what: Vec<_> = what
            .map(|(field, value)| format!("{} = {value:#x}", field.name))
            .collect();
        if let Some(wrong) = wrong {
            let text = format!("{}: {wrong}", what.join(", "));
            // It can be long until the end.
            println!("{}: {text}", subject.name);
            problems.push(text);
        }
    }
    let (peak_mib, count, fields) = (peak_bytes >> 20, all.len(), subject.fields.len());
    println!(
        "{}: {fields} fields, {count} packed, at most {peak_mib} MiB and {longest:?}",
        subject.name
    );
    let more = problems.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        problems.truncate(TOLD_MAX);
        problems.push(format!("and {more} more"));
    }
    Ok(Verdict::Ran(problems))
}

/// A filesystem in a file, and what must hold for it.
struct Judged<'s> {
    subject: &'s Subject,
    image: PathBuf,
    program: Program,
}

impl<'s> Judged<'s> {
    fn new(subject: &'s Subject, folder: &Path) -> io::Result<Self> {
        let image = folder.join("image");
        let file = File::create(&image)?;
        file.set_len(offset(subject.disk.len()))?;
        // Holes are read in no time.
        for (number, piece) in subject.disk.chunks(PIECE_BYTES).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, offset(number * PIECE_BYTES))?;
            }
        }
        Ok(Self {
            subject,
            image,
            program: program(),
        })
    }

    /// How the program ended, and what is wrong with that.
    fn judge(&self, values: &Values<'_>, number: usize) -> io::Result<(Run, Option<String>)> {
        let file = OpenOptions::new().write(true).open(&self.image)?;
        let patches = self.subject.patches(values, !number.is_multiple_of(4));
        for (at, bytes) in &patches {
            file.write_all_at(bytes, offset(*at))?;
        }
        let run = self.pack(number)?;
        let ended = matches!(run.code, Some(0 | 1 | 3)) && !run.stderr.is_empty();
        let cheap = run.cost.peak_bytes <= MEMORY_BYTES && run.cost.time <= TIME;
        let mut wrong = (!ended || !cheap).then(|| format!("{run:?}"));
        if let Some(free) = &self.subject.free
            && ended
            && run.code != Some(1)
        {
            let lost = without(&unused(&self.program, &self.image)?, free);
            if lost > 0 {
                wrong = Some(format!("{lost} bytes in use are left out: {}", run.stderr));
            }
        }
        for (at, bytes) in &patches {
            let stored = &self.subject.disk[*at..at + bytes.len()];
            file.write_all_at(stored, offset(*at))?;
        }
        Ok((run, wrong))
    }

    /// The image goes nowhere, and so the report to the standard error.
    fn pack(&self, number: usize) -> io::Result<Run> {
        let has_metadata = self.subject.free.is_none() && !number.is_multiple_of(2);
        let content = if has_metadata { "metadata" } else { "used" };
        let words = [
            self.program.tool().path().display().to_string(),
            "pack".into(),
            format!("--content={content}"),
            self.image.display().to_string(),
            "-".into(),
        ];
        measure(&words, PATIENCE)
    }
}

/// Each field by itself, with values of all sizes.
fn every_field<'s>(subject: &'s Subject, random: &mut SplitMix) -> Vec<Values<'s>> {
    let mut all = Vec::new();
    for field in &subject.fields {
        let values = field.values(&subject.disk, random);
        let step = values.len().div_ceil(VALUES_FULL).max(1);
        all.extend(
            values
                .into_iter()
                .step_by(step)
                .map(|value| vec![(field, value)]),
        );
    }
    all
}

/// Some fields, and a value for each.
fn some_values<'s>(subject: &'s Subject, random: &mut SplitMix) -> Values<'s> {
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
