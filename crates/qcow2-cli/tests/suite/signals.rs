//! Signals, and file systems without files that have no name.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{SplitMix, Tool};

use crate::bench::Bench;
use crate::mounts::{FUSE, FuseMount};

/// Long enough for every step of a job on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn kill(child: &Child, signal: &str) {
    let kill = Tool::find("kill").expect("every Unix has kill");
    let process = child.id().to_string();
    kill.ok(|command| command.args(["-s", signal, &process]))
        .unwrap();
}

/// Waits until `is_so`.
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a job that lasts: its output is read by nobody. The shell sets signals
/// with `trap` first.
fn lasting(bench: &Bench, trap: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_qcow2");
    let script = format!("{trap}; exec {program} unpack -q image -");
    let child = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(bench.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has become the program, and its signals are watched.
    watched(&child);
    child
}

/// Waits until the program watches its signals.
fn watched(child: &Child) {
    let threads = format!("/proc/{}/task", child.id());
    until(|| {
        let tasks = std::fs::read_dir(&threads).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
            .any(|name| name.trim() == "signals")
    });
}

fn ended(mut child: Child) -> ExitStatus {
    drop(child.stdout.take());
    child.wait().unwrap()
}

#[test]
fn signals_end_the_program_with_their_number() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(4 << 20));
    bench.ok("pack disk image");
    for (signal, number) in [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("USR2", 12),
        ("ALRM", 14),
        ("TERM", 15),
        ("XCPU", 24),
    ] {
        let mut child = lasting(&bench, "true");
        kill(&child, signal);
        let status = child.wait().unwrap();
        assert_eq!(
            status.code(),
            Some(128 + number),
            "{signal}: {:?}",
            status.signal()
        );
    }
}

#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(4 << 20));
    bench.ok("pack disk image");
    for signal in ["HUP", "QUIT", "USR1"] {
        let mut child = lasting(&bench, &format!("trap '' {signal}"));
        kill(&child, signal);
        thread::sleep(Duration::from_millis(100));
        assert_eq!(child.try_wait().unwrap(), None, "{signal}");
        // It goes on: its reader that leaves is what ends it.
        assert_eq!(ended(child).code(), Some(1), "{signal}");
    }
}

#[test]
fn a_signal_asks_how_far_a_job_is() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(48 << 20));
    let mut command = bench.command("pack -q --threads 1 -c zlib:12 disk image");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    watched(&child);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    // At first there is nothing to tell.
    let mut next = || {
        kill(&child, "USR1");
        said.next().unwrap().unwrap()
    };
    let is_early = |line: &String| line.contains("no progress") || line.contains(" of 0 bytes)");
    let line = std::iter::repeat_with(&mut next).find(|line| !is_early(line));
    let line = line.unwrap();
    assert!(line.starts_with("packing "), "{line}");
    assert!(line.contains(" of 50331648 bytes)"), "{line}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn progress_for_programs_is_json() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(4 << 20));
    let outcome = bench.run("pack --progress=json disk image");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let lines: Vec<serde_json::Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last().unwrap();
    assert_eq!(last["schema"], 1);
    let progress = &last["progress"];
    assert_eq!(progress["stage"], "packing");
    assert_eq!(progress["done_bytes"], 4 << 20);
    assert_eq!(progress["total_bytes"], 4 << 20);
    assert_eq!(bench.run("pack --progress --force disk image").stderr, "");
}

#[test]
fn no_signal_leaves_a_temporary_file() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(24 << 20));
    for make in FUSE {
        let Some(mount) = FuseMount::new(&bench, make) else {
            continue;
        };
        let names = || names_in(&mount.0);
        for (signal, number) in [("HUP", 1), ("TERM", 15), ("INT", 2), ("QUIT", 3)] {
            let mut command = bench.command("pack -q --threads 1 -c zlib:12 disk mount/image");
            let mut child = command.spawn().unwrap();
            until(|| names().iter().any(|name| name.starts_with(".image.")));
            kill(&child, signal);
            assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
            assert!(names().is_empty(), "{signal}: {:?}", names());
        }
    }
}

#[test]
fn outputs_appear_where_files_have_one_name_only() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(5).bytes(3_000_000));
    bench.ok("pack disk image");
    let image = bench.read("image");
    let mut restored = bench.read("disk");
    for make in FUSE {
        let Some(mount) = FuseMount::new(&bench, make) else {
            continue;
        };
        bench.ok("pack disk mount/image");
        assert!(bench.read("mount/image") == image, "{}", make.0);
        bench.ok("unpack image mount/disk");
        // exFAT of exfat-fuse has whole sectors only.
        let mut found = bench.read("mount/disk");
        found.resize(restored.len(), 0);
        assert!(found == restored, "{}", make.0);
        for command in ["pack disk mount/image", "unpack image mount/disk"] {
            let refused = bench.run(command);
            assert_eq!(refused.code, Some(1));
            let remedy = " already exists; --force overwrites it\n";
            assert!(refused.stderr.ends_with(remedy), "{refused:?}");
        }
        restored[0] ^= 1;
        bench.write("disk", &restored);
        bench.ok("pack --force disk mount/image");
        bench.ok("unpack --force mount/image again");
        assert!(bench.read("again") == restored, "{}", make.0);
        assert_eq!(names_in(&mount.0), ["disk", "image"]);
        restored[0] ^= 1;
        bench.write("disk", &restored);
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // The bin that exfat-fuse or ntfs-3g may keep is theirs.
        .filter(|name| name.starts_with(".image.") || !name.starts_with('.'))
        .collect();
    names.sort();
    names
}
