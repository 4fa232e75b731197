//! Whether the judges find what a wrong program does, and how verdicts add up.

use std::fs;

use fixtures::{E2fs, Program, Qemu, Tool, ext};
use libtest_mimic::Trial;

use crate::support::round_trip::{Bench, DONE, Files, Report};
use crate::support::suite::check;
use crate::support::verdict::Verdict;

/// What a program that keeps everything, and is right, does in a shell.
const PACK: &str = "qemu-img convert -f raw -O qcow2 \"$1\" \"$2\"";
const UNPACK: &str = "qemu-img convert -f qcow2 -O raw \"$1\" \"$2\"";

/// What is found out about a program made of two lines of shell, on a disk that
/// holds stale bytes; `None` where the judges are missing.
fn judge(pack: &str, unpack: &str) -> Option<Report> {
    let (e2fs, qemu) = (E2fs::require()?, Qemu::require()?);
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let script = format!(
        "#!/bin/sh -e\ncommand=$1; shift\ncase $command in\npack) {pack};;\nunpack) {unpack};;\nesac\n"
    );
    // Written by another process: a test beside this one that forks while we
    // have the file open would make it busy.
    let write = "printf %s \"$0\" > \"$1\"; chmod 755 \"$1\"";
    let shell = Tool::find("sh").expect("every Unix has sh");
    shell
        .ok(|command| command.args(["-c", write, &script]).arg(&program))
        .unwrap();
    let bench = Bench {
        program: Program::at(program),
        tools: e2fs,
        qemu,
    };
    let files = Files::new(folder.path());
    fs::write(&files.source, ext::Filesystem::new(ext::Kind::Ext4).bytes).unwrap();
    Some(bench.round_trip(&files, &[]).unwrap())
}

/// A command that overwrites one block of `file`.
fn spoil(file: &str, block: u64, with: &str) -> String {
    format!("dd if={with} of=\"{file}\" bs=1024 seek={block} count=1 conv=notrunc status=none")
}

fn a_program_that_keeps_everything_is_right_but_not_lean() {
    let Some(report) = judge(PACK, UNPACK) else {
        return;
    };
    assert_eq!((report.code, report.sound), (Some(DONE), true));
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.stale_bytes > 4000, "{}", report.stale_bytes);
    assert_eq!(report.must_be_lean().problems.len(), 1);
}

fn a_lost_block_is_found() {
    let pack = format!(
        "cp \"$1\" copy; {}; {}; rm copy",
        spoil("copy", 12, "/dev/zero"),
        PACK.replace("$1", "copy")
    )
    .replace("copy", "$2.copy");
    let Some(report) = judge(&pack, UNPACK) else {
        return;
    };
    let lost = &report.problems[0];
    assert!(lost.ends_with("used bytes are lost"), "{lost}");
}

fn an_invented_byte_is_found() {
    let unpack = format!("{UNPACK}; {}", spoil("$2", 100, "/dev/urandom"));
    let Some(report) = judge(PACK, &unpack) else {
        return;
    };
    assert_eq!(
        report.problems[0],
        "unpack differs from qemu-img convert at 0x19000"
    );
    let foreign = &report.problems[1];
    assert!(
        foreign.ends_with("neither the source's nor zero"),
        "{foreign}"
    );
}

fn a_wrong_length_is_found() {
    let Some(report) = judge(PACK, &format!("{UNPACK}; truncate -s -1024 \"$2\"")) else {
        return;
    };
    assert_eq!(
        report.problems[..2],
        [
            "261120 bytes were restored, 262144 packed",
            "qemu-img restores 262144 bytes, not 261120"
        ]
    );
}

fn a_failure_is_told_with_its_words() {
    let Some(report) = judge("echo no >&2; exit 1", UNPACK) else {
        return;
    };
    assert_eq!(report.problems, ["pack ended with Some(1): no"]);
}

fn verdicts_add_up() {
    let (good, bad) = (|| Verdict::check(true, "x"), || Verdict::check(false, "x"));
    assert_eq!(good().and(good()), Verdict::Ran(vec![]));
    assert_eq!(bad().and(bad()), Verdict::Ran(vec!["x".into(), "x".into()]));
    let skipped = || Verdict::Skipped("why".into());
    assert_eq!(bad().and(skipped()), skipped());
    assert_eq!(skipped().and(good()), skipped());
}

/// All of them.
pub(super) fn checks() -> Vec<Trial> {
    vec![
        check(
            "a program that keeps everything is right but not lean",
            a_program_that_keeps_everything_is_right_but_not_lean,
        ),
        check("a lost block is found", a_lost_block_is_found),
        check("an invented byte is found", an_invented_byte_is_found),
        check("a wrong length is found", a_wrong_length_is_found),
        check(
            "a failure is told with its words",
            a_failure_is_told_with_its_words,
        ),
        check("verdicts add up", verdicts_add_up),
    ]
}
