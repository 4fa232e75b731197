//! Targets that cannot hold what is to be stored.

use std::fs::File;
use std::process::Output;

use fixtures::qcow2::{Version, minimal};
use fixtures::{Qemu, SplitMix};

use crate::bench::Bench;

/// Runs the program where no file may be longer than `blocks` of 512 bytes.
fn limited(bench: &Bench, blocks: u32, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_qcow2");
    let script = format!("ulimit -f {blocks}; exec {program} {arguments}");
    std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(bench.folder())
        .output()
        .unwrap()
}

/// Bytes in the blocks of `ulimit -f`, which the shell decides.
fn block_bytes(bench: &Bench) -> u64 {
    let script = "ulimit -f 1; dd if=/dev/zero of=probe bs=2048 count=1; exit 0";
    let probed = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(bench.folder())
        .output();
    assert!(probed.unwrap().status.success());
    let bytes = std::fs::metadata(bench.path("probe")).unwrap().len();
    std::fs::remove_file(bench.path("probe")).unwrap();
    bytes
}

#[test]
fn a_process_that_may_not_write_so_much_is_told_before_the_work() {
    let bench = Bench::new();
    let made = minimal(Version::V3, 16);
    bench.write("image", &made.bytes);
    bench.write("old", [7; 1000]);
    let max = 100 * block_bytes(&bench);
    for target in ["new", "--force old", "--in-place old"] {
        let output = limited(&bench, 100, &format!("unpack image {target}"));
        let name = target.split_whitespace().last().unwrap();
        let message = format!(
            "qcow2: {name}: making the disk {} bytes long: this process may not write a file longer \
             than {max} bytes (ulimit -f)\n",
            made.disk.len(),
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), message);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(bench.names(), ["image", "old"]);
        assert_eq!(bench.read("old"), [7; 1000]);
    }
}

#[test]
fn a_file_that_grows_too_long_is_an_error_and_no_signal() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(8).bytes(1 << 20));
    for arguments in ["pack disk image", "pack --threads 1 -c zlib disk image"] {
        let output = limited(&bench, 100, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("qcow2: image: "), "{said}");
        assert!(said.ends_with("File too large (os error 27)\n"), "{said}");
        assert_eq!(bench.names(), ["disk"]);
    }
}

#[test]
fn a_file_system_without_such_long_files_is_told_before_the_work() {
    const DISK_BYTES: u64 = 20 << 40;
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 image 20T");
    bench.qemu_io("write -P 1 0 1M", "image");
    let probe = File::create(bench.path("probe")).unwrap();
    if probe.set_len(DISK_BYTES).is_ok() {
        let folder = bench.folder().display();
        eprintln!("SKIPPED: files in {folder} can be longer than {DISK_BYTES} bytes");
        return;
    }
    bench.write("old", [7; 1000]);
    for target in ["new", "--force old", "--in-place old", "--only-changed old"] {
        let refused = bench.run(&format!("unpack image {target}"));
        assert_eq!(refused.code, Some(1));
        let message = format!(
            "making the disk {DISK_BYTES} bytes long: the file system allows no file longer than "
        );
        assert!(refused.stderr.contains(&message), "{refused:?}");
        assert_eq!(bench.names(), ["image", "old", "probe"]);
        assert_eq!(bench.read("old"), [7; 1000]);
    }
}
