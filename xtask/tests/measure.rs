//! What `xtask bench` measures is what a program costs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use fixtures::{Outcome, Tool, number};

/// Measures `script`, run by the shell.
fn measure(script: &str) -> Outcome {
    Tool::at(env!("CARGO_BIN_EXE_xtask").into())
        .run(|command| command.args(["measure", "60", "/bin/sh", "-c", script]))
        .unwrap()
}

#[test]
fn time_is_not_the_processors_time() {
    let outcome = measure("sleep 0.3");
    assert!(outcome.success(), "{outcome:?}");
    let read = |key| number(&outcome.stdout, key).unwrap();
    assert!(
        (300_000..30_000_000).contains(&read("time_us")),
        "{outcome:?}"
    );
    assert!(read("cpu_us") < 200_000, "{outcome:?}");
}

#[test]
fn memory_is_that_of_the_program_alone() {
    let peak = |mib: u64| {
        let outcome = measure(&format!("dd if=/dev/zero of=/dev/null bs={mib}M count=1"));
        number(&outcome.stdout, "peak_kib").unwrap() / 1024
    };
    assert!((40..60).contains(&peak(40)));
    assert!(peak(1) < 20);
}

#[test]
fn how_a_program_ends_is_told() {
    let outcome = measure("echo why >&2; exit 3");
    assert!(outcome.success(), "{outcome:?}");
    assert_eq!(number(&outcome.stdout, "code"), Some(3));
    assert_eq!(outcome.stderr, "why\n");
    let outcome = measure("kill -9 $$");
    assert_eq!(number(&outcome.stdout, "code"), None, "{outcome:?}");
}
