//! `qcow2 pack`, as a user runs it.

mod claims;
mod compress;
mod crash;
pub(crate) mod disks;
mod filesystem;
mod increments;
mod mounted;
mod salvage;
mod sources;
mod volumes;
mod wrong_bitmaps;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::bench::Bench;
use fixtures::ext::{Filesystem, Kind};
use fixtures::{Qemu, SplitMix, Tool, ext, number};

/// What a filesystem of [`ext`] restores to.
fn restored(made: &Filesystem, kind: Kind) -> Vec<u8> {
    let mut disk = made.bytes.clone();
    let never_used = (kind != Kind::Ext2).then_some(ext::NEVER_USED);
    for range in never_used.into_iter().chain([ext::FREE]) {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        disk[range].fill(0);
    }
    disk
}

#[test]
fn only_used_blocks_are_stored() {
    for kind in [Kind::Ext2, Kind::GroupChecksum, Kind::Ext4] {
        let bench = Bench::new();
        let made = Filesystem::new(kind);
        bench.write("disk", &made.bytes);
        let json = bench.ok("pack --output json --cluster-size 512 --verify disk image");
        assert_eq!(number(&json, "schema"), Some(1));
        assert_eq!(number(&json, "disk_bytes"), Some(ext::DISK_BYTES));
        assert_eq!(number(&json, "used_bytes"), Some(14 * 1024), "{kind:?}");
        assert!(json.contains("\"content\": \"used\""));

        bench.ok("unpack image again");
        assert!(bench.read("again") == restored(&made, kind), "{kind:?}");
        if let Some(qemu) = Qemu::require() {
            let check = qemu.check(&bench.path("image")).unwrap();
            assert!(check.success(), "{check:?}");
            qemu.unpack(&bench.path("image"), &bench.path("theirs"))
                .unwrap();
            assert!(bench.read("theirs") == restored(&made, kind), "{kind:?}");
        }
    }
}

#[test]
fn an_unclean_filesystem_says_so_and_a_damaged_one_is_kept_whole() {
    let bench = Bench::new();
    let mut made = Filesystem::new(Kind::Ext4);
    // s_state without VALID_FS.
    made.put(1024 + 0x3a, &[0, 0]);
    made.seal();
    bench.write("disk", &made.bytes);
    let outcome = bench.run("pack disk image");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let note = "not cleanly unmounted (s_state 0x0 lacks 0x1); kept is also";
    assert!(outcome.stdout.contains(note), "{outcome:?}");

    // A superblock that nobody can believe.
    made.put(1024 + 0x3fc, &[0; 4]);
    bench.write("damaged", &made.bytes);
    let outcome = bench.run("pack damaged whole");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let note = "everything is stored: the superblock's checksum";
    assert!(outcome.stdout.contains(note), "{outcome:?}");
    bench.ok("unpack whole again");
    assert!(bench.read("again") == made.bytes);
}

#[test]
fn content_all_keeps_every_byte() {
    let bench = Bench::new();
    let made = Filesystem::new(Kind::Ext4);
    bench.write("disk", &made.bytes);
    bench.ok("pack --content all disk image");
    bench.ok("unpack image again");
    assert!(bench.read("again") == made.bytes);
}

#[test]
fn a_disk_without_a_filesystem_is_packed_whole() {
    let bench = Bench::new();
    let mut disk = SplitMix::new(1).bytes(300_000);
    disk[70_000..200_000].fill(0);
    disk.resize(300_032, 7);
    bench.write("disk", &disk);
    let report = bench.ok("pack --verify disk image");
    assert!(
        report.contains("no filesystem that we know: everything is stored"),
        "{report}"
    );
    bench.ok("unpack image again");
    assert!(bench.read("again") == disk);
    let missing = "disk: there is no ext filesystem here";
    bench.fails("pack --content ext disk other", 1, missing);
    assert_eq!(bench.names(), ["again", "disk", "image"]);
}

#[test]
fn lengths_that_are_no_multiple_of_a_sector_are_kept() {
    for (length, compat) in [
        (1, "1.1"),
        (511, "0.10"),
        (513, "1.1"),
        (1_000_001, "0.10"),
        (0, "1.1"),
    ] {
        let bench = Bench::new();
        let disk = SplitMix::new(2).bytes(length);
        bench.write("disk", &disk);
        bench.ok(&format!("pack --verify --compat {compat} disk image"));
        bench.ok("unpack image again");
        assert!(bench.read("again") == disk, "{length}");
        if let Some(qemu) = Qemu::require() {
            assert!(qemu.check(&bench.path("image")).unwrap().success());
            qemu.unpack(&bench.path("image"), &bench.path("theirs"))
                .unwrap();
            let theirs = bench.read("theirs");
            assert_eq!(theirs.len(), length.next_multiple_of(512));
            assert!(theirs.starts_with(&disk));
            assert!(theirs[length..].iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn the_digest_is_that_of_the_restored_disk() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(3).bytes(3_000_000));
    let json = bench.ok("pack --digest --output json disk image");
    bench.ok("unpack image again");
    let Some(sha256sum) = Tool::find("sha256sum") else {
        eprintln!("SKIPPED: sha256sum is not installed");
        return;
    };
    let sum = sha256sum
        .ok(|command| command.arg(bench.path("again")))
        .unwrap();
    let digest = sum.split_whitespace().next().unwrap();
    assert!(
        json.contains(&format!("\"sha256\": \"{digest}\"")),
        "{json}"
    );
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(4).bytes(5_000_000));
    bench.ok("pack --threads 1 disk one");
    bench.ok("pack --threads 5 disk two");
    assert!(bench.read("one") == bench.read("two"));
}

#[test]
fn nothing_is_replaced_unasked() {
    let bench = Bench::new();
    bench.write("disk", [1; 4096]);
    bench.write("image", "precious");
    bench.fails(
        "pack disk image",
        1,
        "image already exists; --force overwrites it",
    );
    assert_eq!(bench.read("image"), b"precious");

    fs::set_permissions(bench.path("image"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("image", bench.path("link")).unwrap();
    bench.ok("pack --force disk link");
    assert!(bench.path("link").is_symlink());
    let mode = fs::metadata(bench.path("image"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(bench.read("image").starts_with(b"QFI\xfb"));
    assert_eq!(bench.names(), ["disk", "image", "link"]);
}

#[test]
fn a_source_is_never_overwritten() {
    let bench = Bench::new();
    bench.write("disk", [1; 4096]);
    fs::hard_link(bench.path("disk"), bench.path("same")).unwrap();
    let message = "is the source itself, or a file or device that the source depends on";
    bench.fails("pack --force disk disk", 1, &format!("disk {message}"));
    bench.fails("pack --force disk same", 1, &format!("same {message}"));
    assert_eq!(bench.read("disk"), [1; 4096]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    File::create(bench.path("disk"))
        .unwrap()
        .set_len(9 << 40)
        .unwrap();
    let outcome = bench.run("pack --cluster-size 4K disk image");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("8 KiB") || outcome.stderr.contains("8192"),
        "{outcome:?}"
    );
    bench.fails(
        "pack --compat 0.10 --refcount-bits 8 disk image",
        2,
        "--refcount-bits needs --compat 1.1: qcow2 v2 has refcounts of 16 bits only",
    );
    assert_eq!(bench.run("pack --cluster-size 3K disk image").code, Some(2));
    assert_eq!(bench.run("pack --cluster-size 4M disk image").code, Some(2));
    assert_eq!(bench.run("pack disk").code, Some(2));
    bench.fails(
        "pack . image",
        1,
        ". is a directory, not a file or a block device",
    );
    assert_eq!(bench.names(), ["disk"]);
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let bench = Bench::new();
        // Hashing so many zeros takes longer than this test waits.
        File::create(bench.path("disk"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let mut child = bench
            .command("pack --digest disk image")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(500));
        let kill = Tool::find("kill").expect("every Unix has kill");
        kill.ok(|command| command.args(["-s", signal, &child.id().to_string()]))
            .unwrap();
        let status = child.wait().unwrap();
        let code = if signal == "INT" { 130 } else { 143 };
        assert_eq!(status.code(), Some(code));
        assert_eq!(bench.names(), ["disk"]);
    }
}

#[test]
fn a_source_that_changes_while_it_is_read_is_refused() {
    let bench = Bench::new();
    let disk = File::create(bench.path("disk")).unwrap();
    disk.set_len(1 << 31).unwrap();
    let child = bench
        .command("pack --digest disk image")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    disk.set_len((1 << 31) + 512).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "qcow2: disk: the source changed while it was read\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(bench.names(), ["disk"]);
}

#[test]
fn a_disk_that_qemu_writes_is_refused() {
    let Some(qemu_io) = fixtures::require("qemu-io") else {
        return;
    };
    let bench = Bench::new();
    bench.write("disk", [1; 65536]);
    let mut holder = std::process::Command::new(qemu_io.path())
        .args(["-f", "raw"])
        .arg(bench.path("disk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its prompt says that it has opened, and locked, the disk.
    let mut prompt = [0; 1];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut prompt).unwrap();

    let refused = bench.run("pack disk image");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--allow-mounted"), "{refused:?}");
    assert_eq!(bench.names(), ["disk"]);
    let allowed = bench.run("pack --allow-mounted disk image");
    assert_eq!(allowed.code, Some(3), "{allowed:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    bench.ok("pack disk other");
}
