//! Filesystems that are packed while they are mounted. Needs root.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{SplitMix, Tool, number};

use crate::mounts::{Loop, Mount, Mounted};

/// How long a program that should wait is watched, and how long one may take that
/// should not.
const WATCHED: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a pipe and all buffers on the way hold.
const FILE_BYTES: usize = 24 << 20;

/// A program, ended with the test.
struct Running(Child);

impl Running {
    fn waits(&mut self) -> bool {
        thread::sleep(WATCHED);
        self.0.try_wait().unwrap().is_none()
    }

    /// Its exit code, which comes soon.
    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that writes to a file of the filesystem.
fn writer(mounted: &Mounted) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", "echo more > \"$0\""]);
    command.arg(mounted.mount.0.join("late"));
    Running(command.spawn().unwrap())
}

/// A mounted filesystem with a large file in it, and a deleted one.
fn filled() -> Option<Mounted> {
    let mounted = Mounted::new(64, &[])?;
    let [kept, deleted] = [7, 8].map(|seed| SplitMix::new(seed).bytes(FILE_BYTES));
    fs::write(mounted.mount.0.join("kept"), kept).unwrap();
    fs::write(mounted.mount.0.join("deleted"), deleted).unwrap();
    File::open(&mounted.mount.0).unwrap().sync_all().unwrap();
    run("sync", &["-f", path(&mounted.mount.0)]);
    fs::remove_file(mounted.mount.0.join("deleted")).unwrap();
    Some(mounted)
}

/// `qcow2 pack --freeze` to a pipe that nobody reads, once the filesystem is
/// frozen: it stays so until the pipe is read or the program ends.
fn frozen(mounted: &Mounted) -> (Running, Running) {
    let device = &mounted.device.device;
    let arguments = format!("pack --allow-mounted --freeze {device} -");
    let mut command = mounted.bench.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let packer = Running(command.spawn().unwrap());
    let start = Instant::now();
    loop {
        let mut late = writer(mounted);
        if late.waits() {
            return (packer, late);
        }
        assert!(start.elapsed() < PATIENCE, "it is not frozen");
    }
}

#[track_caller]
fn run(tool: &str, arguments: &[&str]) {
    let found = Tool::find(tool).unwrap();
    found.ok(|command| command.args(arguments)).unwrap();
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn can_freeze() -> bool {
    fixtures::require("fsfreeze").is_some()
}

/// Asserts that `image` holds a clean filesystem with the large file, and returns
/// whether it holds the late one.
#[track_caller]
fn check(mounted: &Mounted, image: &str) -> bool {
    let bench = &mounted.bench;
    bench.ok(&format!("unpack {image} {image}.raw"));
    let raw = bench.path(&format!("{image}.raw"));
    let e2fsck = Tool::find("e2fsck").unwrap();
    let outcome = e2fsck.run(|command| command.arg("-fn").arg(&raw)).unwrap();
    assert!(outcome.success(), "{outcome:?}");
    let device = Loop::over(&raw).unwrap();
    let restored = Mount::new(&device.device, bench.path(&format!("{image} again")));
    let kept = fs::read(restored.0.join("kept")).unwrap();
    assert!(kept == SplitMix::new(7).bytes(FILE_BYTES));
    restored.0.join("late").exists()
}

#[test]
fn a_frozen_filesystem_is_packed_by_what_it_uses() {
    let Some(mounted) = filled().filter(|_| can_freeze()) else {
        return;
    };
    let (bench, device) = (&mounted.bench, &mounted.device.device);
    for options in ["", "--verify ", "--content all "] {
        let arguments =
            format!("pack --allow-mounted --freeze --force --output json {options}{device} image");
        let report = bench.ok(&arguments);
        assert!(report.contains("\"frozen\": \""), "{report}");
        let used = number(&report, "stored_bytes").unwrap();
        let file = u64::try_from(FILE_BYTES).unwrap();
        if options != "--content all " {
            assert!(used < file + (8 << 20), "{report}");
        }
        assert_eq!(writer(&mounted).code(), Some(0));
    }
    assert!(check(&mounted, "image"));
}

#[test]
fn a_writer_waits_until_all_is_read() {
    let Some(mounted) = filled().filter(|_| can_freeze()) else {
        return;
    };
    let (mut packer, mut late) = frozen(&mounted);
    assert!(late.waits() && packer.waits());
    let mut image = Vec::new();
    let mut pipe = packer.0.stdout.take().unwrap();
    pipe.read_to_end(&mut image).unwrap();
    assert_eq!((packer.code(), late.code()), (Some(0), Some(0)));
    mounted.bench.write("image", image);
    check(&mounted, "image");
}

#[test]
fn it_is_thawed_however_the_run_ends() {
    let Some(mounted) = filled().filter(|_| can_freeze()) else {
        return;
    };
    for (signal, code) in [
        ("INT", Some(130)),
        ("TERM", Some(143)),
        ("HUP", Some(129)),
        ("KILL", None),
    ] {
        let (mut packer, mut late) = frozen(&mounted);
        run("kill", &["-s", signal, &packer.0.id().to_string()]);
        assert_eq!(packer.code(), code, "{signal}");
        assert_eq!(late.code(), Some(0), "{signal}");
    }

    // A reader that goes away.
    let (mut packer, mut late) = frozen(&mounted);
    drop(packer.0.stdout.take());
    assert_eq!((packer.code(), late.code()), (Some(1), Some(0)));

    // A failure before anything is read.
    let (bench, device) = (&mounted.bench, &mounted.device.device);
    bench.write("precious", "precious");
    let arguments = format!("pack --allow-mounted --freeze {device} precious");
    bench.fails(
        &arguments,
        1,
        "precious already exists; --force overwrites it",
    );
    assert_eq!(writer(&mounted).code(), Some(0));

    // Somebody else thaws it: the image may hold more than one moment.
    let (mut packer, mut late) = frozen(&mounted);
    run("fsfreeze", &["-u", path(&mounted.mount.0)]);
    assert_eq!(late.code(), Some(0));
    std::io::copy(&mut packer.0.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert_eq!(packer.code(), Some(1));
    let mut said = String::new();
    packer
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(said.contains("did not stay frozen"), "{said}");
}

#[test]
fn an_image_is_not_made_on_what_is_frozen() {
    let Some(mounted) = filled().filter(|_| can_freeze()) else {
        return;
    };
    let (bench, device) = (&mounted.bench, &mounted.device.device);
    std::os::unix::fs::symlink("a place", bench.path("place")).unwrap();
    let want = |name: &str| {
        format!(
            "{device} cannot be frozen: {name} is stored on it, directly or through other devices, and writing would wait forever"
        )
    };
    let pack = format!("pack --allow-mounted --freeze {device}");
    bench.fails(&format!("{pack} place/image"), 1, &want("place/image"));
    let lost = format!("{pack} image --salvage --lost place/map");
    bench.fails(&lost, 1, &want("place/map"));
    let mut command = bench.command(&format!("{pack} -"));
    command.stdout(File::create(mounted.mount.0.join("stdout")).unwrap());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("qcow2: {}\n", want("standard output")));
    assert_eq!(writer(&mounted).code(), Some(0));
    assert!(!bench.names().contains(&"image".to_owned()));
}

#[test]
fn a_mounted_device_is_refused_or_read_past_the_page_cache() {
    let Some(mounted) = filled() else {
        return;
    };
    let (bench, device) = (&mounted.bench, &mounted.device.device);
    let place = mounted.mount.0.display();
    bench.fails(
        &format!("pack {device} image"),
        1,
        &format!(
            "{device}: it is mounted on {place}; a snapshot is better, --allow-mounted --freeze packs it while its filesystem is frozen, --allow-mounted alone packs all of it anyway"
        ),
    );
    run("sync", &["-f", path(&mounted.mount.0)]);
    let outcome = bench.run(&format!("pack --allow-mounted --verify {device} image"));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    for text in [
        "everything is stored: it is mounted on",
        "it may have changed while it was read: a snapshot",
    ] {
        assert!(outcome.stdout.contains(text), "{outcome:?}");
    }

    // Names of a transaction that is not committed are in the page cache of the
    // device alone.
    let marked = "a-name-that-nobody-has-committed";
    run("sync", &["-f", path(&mounted.mount.0)]);
    fs::write(mounted.mount.0.join(marked), "").unwrap();
    let holds = |bytes: &[u8]| {
        bytes
            .windows(marked.len())
            .any(|part| part == marked.as_bytes())
    };
    let outcome = bench.run(&format!(
        "pack --allow-mounted --content all {device} other"
    ));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let cached = fs::read(device).unwrap();
    bench.ok("unpack other other.raw");
    if holds(&cached) {
        assert!(!holds(&bench.read("other.raw")));
    } else {
        eprintln!("SKIPPED: the name was committed at once");
    }
}

#[test]
fn a_change_meanwhile_is_told() {
    let (Some(mounted), Some(tune2fs)) = (filled(), fixtures::require("tune2fs")) else {
        return;
    };
    let device = &mounted.device.device;
    let arguments = format!("pack --allow-mounted --threads 1 {device} -");
    let mut command = mounted.bench.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut packer = Running(command.spawn().unwrap());
    let mut pipe = packer.0.stdout.take().unwrap();
    // All else waits for this pipe.
    pipe.read_exact(&mut [0; 4]).unwrap();
    tune2fs
        .ok(|command| command.args(["-L", "another", device]))
        .unwrap();
    run("sync", &["-f", path(&mounted.mount.0)]);
    std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
    assert_eq!(packer.code(), Some(3));
    let mut said = String::new();
    packer
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let want = "it changed while it was read, its superblock is another one: a snapshot";
    assert!(said.contains(want), "{said}");
}

#[test]
fn a_live_multiple_mount_protection_is_in_use() {
    let Some(mounted) = Mounted::new(16, &["-O", "mmp"]) else {
        return;
    };
    let bench = &mounted.bench;
    run("sync", &["-f", path(&mounted.mount.0)]);
    // What another machine sees of it.
    fs::copy(bench.path("disk"), bench.path("copy")).unwrap();
    let refused = bench.run("pack copy image");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for text in ["multiple mount protection says that", "--allow-mounted"] {
        assert!(refused.stderr.contains(text), "{refused:?}");
    }
    let allowed = bench.run("pack --allow-mounted copy image");
    assert_eq!(allowed.code, Some(3), "{allowed:?}");
    let outcome = bench.run("pack --allow-mounted --freeze copy other");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");

    // Frozen, it is nobody else's.
    if can_freeze() {
        let device = &mounted.device.device;
        bench.ok(&format!("pack --allow-mounted --freeze {device} frozen"));
    }
    let Mounted {
        mount,
        device,
        bench,
    } = mounted;
    drop((mount, device));
    bench.ok("pack disk clean");
}
