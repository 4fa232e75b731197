//! Errors, for people and for programs.

use fixtures::SplitMix;
use serde_json::{Value, json};

use crate::bench::Bench;

/// Runs `arguments`, which must fail with `code`, and gives the error as the program has it.
#[track_caller]
fn error(bench: &Bench, arguments: &str, code: i32) -> Value {
    let outcome = bench.run(arguments);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    let said: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(said["schema"], 1);
    assert_eq!(said["error"]["exit_code"], code);
    said["error"].clone()
}

#[test]
fn errors_for_programs_are_objects_of_json() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(1 << 20));
    bench.ok("pack disk image.qcow2");
    let exists = error(&bench, "--errors json pack disk image.qcow2", 1);
    let message = "image.qcow2 already exists; --force overwrites it";
    assert_eq!(
        exists,
        json!({
            "kind": "refused",
            "message": message,
            "path": "image.qcow2",
            "hint": "--force overwrites it",
            "exit_code": 1,
        })
    );
    // For people, the same words.
    bench.fails("pack disk image.qcow2", 1, message);
    bench.fails(
        "pack --output json --errors human disk image.qcow2",
        1,
        message,
    );

    let missing = error(&bench, "info --errors json missing", 1);
    assert_eq!(missing["kind"], "not_found", "{missing}");
    let usage = error(&bench, "unpack --errors=json image.qcow2", 2);
    assert_eq!(usage["kind"], "usage", "{usage}");
    let message = usage["message"].as_str().unwrap();
    assert!(!message.starts_with("error:"), "{message}");
    let unknown = error(&bench, "--errors=json info --no-such-option image.qcow2", 2);
    assert_eq!(unknown["kind"], "usage", "{unknown}");

    // An image whose L1 table is in its header.
    let mut bytes = bench.read("image.qcow2");
    bytes[40..48].fill(0);
    bench.write("wrong.qcow2", bytes);
    let wrong = error(&bench, "unpack wrong.qcow2 out --errors json", 1);
    assert_eq!(wrong["kind"], "corrupt", "{wrong}");
    assert_eq!(wrong["path"], "wrong.qcow2", "{wrong}");
}

#[test]
fn help_and_version_are_no_errors() {
    let bench = Bench::new();
    assert!(bench.ok("--errors json --version").starts_with("qcow2 "));
    assert!(bench.ok("pack --errors json --help").contains("Usage:"));
}

#[test]
fn the_program_describes_its_command_line() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.ok(&format!("completions {shell}"));
        assert!(script.contains("unpack") && script.contains("only-changed"));
    }
    std::fs::create_dir(bench.path("man")).unwrap();
    bench.ok("man man");
    let page = String::from_utf8(bench.read("man/qcow2-pack.1")).unwrap();
    assert!(page.contains("\\-\\-partition"), "{page}");
    assert!(bench.read("man/qcow2.1").starts_with(b".ie"));
    assert!(!bench.ok("help").contains("completions"));
}
