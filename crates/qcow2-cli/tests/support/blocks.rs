//! What `qcow2 blocks` says of a disk.

use std::io;
use std::ops::Range;
use std::path::Path;

use fixtures::Program;
use serde_json::Value;

/// The bytes of `disk` that `program` leaves out, ascending.
pub(crate) fn unused(program: &Program, disk: &Path) -> io::Result<Vec<Range<u64>>> {
    let outcome = program
        .tool()
        .run(|command| command.args(["blocks", "--output", "json"]).arg(disk))?;
    parse(&outcome.stdout).ok_or_else(|| {
        let code = outcome.code;
        io::Error::other(format!(
            "qcow2 blocks ended with {code:?}: {}",
            outcome.brief(300)
        ))
    })
}

fn parse(report: &str) -> Option<Vec<Range<u64>>> {
    let report: Value = serde_json::from_str(report).ok()?;
    let ranges = report.get("ranges")?.as_array()?.iter();
    let unused = ranges.filter(|range| range.get("kind").is_some_and(|kind| kind == "unused"));
    unused
        .map(|range| {
            let start = range.get("start")?.as_u64()?;
            Some(start..start.checked_add(range.get("length")?.as_u64()?)?)
        })
        .collect()
}

/// The bytes of `ranges` that are in none of `others`; both ascend.
pub(crate) fn without(ranges: &[Range<u64>], others: &[Range<u64>]) -> u64 {
    let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let mut shared = 0;
    let mut first = 0;
    for range in ranges {
        while others
            .get(first)
            .is_some_and(|other| other.end <= range.start)
        {
            first += 1;
        }
        let near = others[first..].iter();
        for other in near.take_while(|other| other.start < range.end) {
            let start = range.start.max(other.start);
            shared += range.end.min(other.end) - start;
        }
    }
    total - shared
}

/// Whether bytes are counted right.
#[allow(clippy::single_range_in_vec_init, reason = "a range of bytes")]
pub(crate) fn check() {
    assert_eq!(without(&[0..10, 20..30], &[5..22, 24..26, 29..40]), 5 + 5);
    assert_eq!(without(&[0..10], &[]), 10);
    assert_eq!(without(&[3..4], &[0..3, 3..9]), 0);
    let report = r#"{"ranges": [{"start":0,"length":4,"kind":"data"},
        {"start":4,"length":8,"kind":"unused"}, {"start":12,"length":1,"kind":"zero"}]}"#;
    assert_eq!(parse(report).unwrap(), [4..12]);
    assert_eq!(parse("{}"), None);
}
