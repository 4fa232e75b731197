//! The figures as text: tables, and the document made of them.

use fixtures::aligned;

use super::figures::{Series, Verdict, mib, seconds};
use super::machine;

/// What the document says of the method; the rest is figures.
const PREFACE: &str = "\
# Benchmarks

`cargo xtask bench --write` generates this document. The programs take turns: ours,
then each of the others, then the next round. Times are medians of all rounds,
with the shortest and the longest. \"Ratio\" is the time of a program divided by
ours, so more than 1 means that ours is faster. \"CPU\" is the median CPU time over
all processors, \"peak\" the largest memory use of any run, \"length\" the length of
the output, and \"stored\" the space that it takes on its file system.

Every output is removed before the next run. Ours runs once before the rounds,
untimed, so that no program is the first to touch the memory that outputs take.
That output is compared with a copy of the used blocks made with `dumpe2fs`, by
`qemu-img compare`, and images are checked with `qemu-img check`. The disk in an
image of e2image is compared with that image, as QEMU reads it. In memory (tmpfs)
nothing needs a sync. Elsewhere the input is read once before each run, and the
time of every program includes a sync of its output, which ours does by itself. A
program that the machine lacks is \"not here\"; a program that failed, or whose
output was wrong, has no figures.
";

const HEAD: [&str; 9] = [
    "program",
    "time, s",
    "from … to",
    "ratio",
    "CPU, s",
    "peak, MiB",
    "length, MiB",
    "stored, MiB",
    "must hold",
];

/// A job that was done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: String,
    /// Ours first.
    pub(super) series: Vec<Series>,
}

impl Done {
    /// Whether ours was fit to be compared.
    pub(super) fn has_ours(&self) -> bool {
        self.series
            .first()
            .is_some_and(|ours| ours.time().is_some())
    }

    /// The figures of all contenders.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![HEAD.map(String::from).to_vec()];
        if let Some(ours) = self.series.first() {
            rows.extend(self.series.iter().map(|series| row(series, ours)));
        }
        aligned(&rows)
    }

    /// What must hold, with who it is said of.
    fn verdicts(&self) -> Vec<(&str, Verdict)> {
        let Some(ours) = self.series.first() else {
            return Vec::new();
        };
        let of = |series: &'_ Series| series.verdicts(ours);
        self.series
            .iter()
            .flat_map(|series| of(series).into_iter().map(|one| (&*series.name, one)))
            .collect()
    }
}

/// The document: the machine, more `notes` on what was done, and the figures.
pub(super) fn document(done: &[Done], notes: &[String]) -> String {
    let mut text = PREFACE.to_owned();
    let mut list = vec![machine::date().unwrap_or_default()];
    list.extend(machine::about());
    list.extend_from_slice(notes);
    text.push_str("\n## The machine and the disk\n\n");
    list.iter()
        .for_each(|line| text.push_str(&format!("- {line}\n")));
    text.push_str("\n## What must hold\n\n");
    text.push_str(&goals(done));
    for job in done {
        text.push_str(&format!(
            "\n## {}\n\n{}",
            first_upper(&job.name),
            job.table()
        ));
    }
    text
}

/// Every goal, and whether it is met.
pub(super) fn goals(done: &[Done]) -> String {
    let mut rows = vec![
        ["job", "against", "must hold, and found", ""]
            .map(String::from)
            .to_vec(),
    ];
    for job in done {
        for (name, verdict) in job.verdicts() {
            let met = if verdict.met { "met" } else { "not met" };
            rows.push(vec![
                job.name.clone(),
                name.into(),
                verdict.text,
                met.into(),
            ]);
        }
    }
    aligned(&rows)
}

fn row(series: &Series, ours: &Series) -> Vec<String> {
    let mut cells = vec![series.name.clone()];
    let (Some(time), Some(cpu), Some((from, to))) = (series.time(), series.cpu(), series.spread())
    else {
        cells.push(series.missing.unwrap_or_default().into());
        cells.resize(HEAD.len(), String::new());
        return cells;
    };
    let ratio = series.ratio(ours).map(|ratio| format!("{ratio:.2}"));
    let goals = series.verdicts(ours).into_iter().map(|verdict| {
        let met = if verdict.met { "met" } else { "NOT MET" };
        format!("{}, {met}", verdict.text)
    });
    cells.extend([
        seconds(time),
        format!("{} … {}", seconds(from), seconds(to)),
        ratio.unwrap_or_default(),
        seconds(cpu),
        format!("{:.1}", mib(series.peak_bytes())),
        format!("{:.1}", mib(series.length_bytes)),
        format!("{:.1}", mib(series.stored_bytes)),
        goals.collect::<Vec<_>>().join("; "),
    ]);
    cells
}

fn first_upper(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::figures::Goal;
    use fixtures::measure::Cost;

    fn series(name: &str, seconds: u64, goals: &[Goal]) -> Series {
        Series {
            costs: vec![Cost {
                time: Duration::from_secs(seconds),
                cpu: Duration::from_millis(500),
                peak_bytes: 3 << 19,
            }],
            length_bytes: 5 << 20,
            stored_bytes: 4 << 20,
            ..Series::new(name, goals)
        }
    }

    #[test]
    fn a_job_is_a_table_and_its_goals_another() {
        let absent = Series {
            missing: Some("not here"),
            ..Series::new("c", &[])
        };
        let done = Done {
            name: "pack".into(),
            series: vec![
                series("a", 2, &[]),
                series("b", 3, &[Goal::Faster(2.0)]),
                absent,
            ],
        };
        let table = done.table();
        let lines: Vec<_> = table.lines().collect();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let want = "| b | 3.00 | 3.00 … 3.00 | 1.50 | 0.500 | 1.5 | 5.0 | 4.0 | \
                    2 times as fast: 1.50, NOT MET |";
        assert_eq!(words(lines[3]), want);
        assert_eq!(words(lines[4]), "| c | not here | | | | | | | |");
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() == lines[0].chars().count())
        );
        let goals = goals(&[done]);
        let want = "| pack | b | 2 times as fast: 1.50 | not met |";
        assert_eq!(words(goals.lines().nth(2).unwrap()), want);
    }

    #[test]
    fn the_document_has_a_heading_for_every_job() {
        let done = Done {
            name: "pack, plain".into(),
            series: vec![series("a", 1, &[])],
        };
        let text = document(&[done], &["A disk.".into(), "a 1".into()]);
        for part in ["\n## Pack, plain\n", "\n- A disk.\n- a 1\n"] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
