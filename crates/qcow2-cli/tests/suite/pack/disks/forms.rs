//! One disk in every form that a source can have.

use std::fs;
use std::process::Stdio;

use fixtures::{Qemu, Tool};

use super::made::{self, Made};
use super::{files, unused};
use crate::bench::Bench;

/// The disk of `made` as images, and as raw bytes.
const FORMS: [&str; 4] = ["disk", "plain.qcow2", "compressed.qcow2", "overlay.qcow2"];

fn make_images(bench: &Bench, made: &Made) {
    bench.qemu_img("convert -f raw -O qcow2 disk plain.qcow2");
    bench.qemu_img("convert -f raw -O qcow2 -c disk compressed.qcow2");
    // What lies below the root is another one.
    let root = &made.slots[2];
    let [start, length] = [root.start, root.bytes].map(|bytes| usize::try_from(bytes).unwrap());
    let mut below = bench.read("disk");
    below[start..start + length].fill(0x33);
    bench.write("below", below);
    bench.qemu_img("convert -f raw -O qcow2 below below.qcow2");
    bench.qemu_img("create -q -f qcow2 -b below.qcow2 -F qcow2 overlay.qcow2");
    let window = made.window(bench, "disk", root);
    bench.qemu_io(
        &format!("write -q -s {window} {start} {length}"),
        "overlay.qcow2",
    );
}

/// Packs the disk as it arrives through a pipe.
fn pack_a_pipe(bench: &Bench) {
    let cat = Tool::find("cat").unwrap();
    let mut cat = std::process::Command::new(cat.path())
        .arg(bench.path("disk"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pack = bench.command("pack --quiet - piped.image");
    let packed = pack.stdin(cat.stdout.take().unwrap()).status().unwrap();
    assert!(packed.success() && cat.wait().unwrap().success());
}

#[test]
fn every_form_of_a_disk_is_the_same_image() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    make_images(&bench, &made);
    for form in FORMS {
        let option = match form {
            "overlay.qcow2" => "--references beside",
            _ => "",
        };
        bench.ok(&format!("pack {option} {form} {form}.image"));
    }
    pack_a_pipe(&bench);
    let image = bench.read("disk.image");
    for form in ["plain.qcow2", "compressed.qcow2", "overlay.qcow2", "piped"] {
        assert!(bench.read(&format!("{form}.image")) == image, "{form}");
    }
    let checked = Qemu::require().unwrap().check(&bench.path("disk.image"));
    assert!(checked.unwrap().success());

    // All that is not free is as it was: the table, the boot areas, each filesystem.
    bench.ok("unpack disk.image restored");
    let (before, after) = (bench.read("disk"), bench.read("restored"));
    same_but_for_what_is_free(&bench, &before, &after);
    for slot in made.slots.iter().filter(|slot| slot.kind != "swap") {
        let theirs = files(&bench, &made, "disk", slot);
        assert!(theirs.contains_key("kept") && !theirs.contains_key("deleted"));
        assert!(
            files(&bench, &made, "restored", slot) == theirs,
            "{}",
            slot.name
        );
    }
    assert!(made::count(&before, made::DELETED) > 30_000);
    assert_eq!(made::count(&after, made::DELETED), 0);

    // And punched in place, it is the same disk.
    fs::copy(bench.path("disk"), bench.path("punched")).unwrap();
    bench.ok("punch --verify punched");
    same_but_for_what_is_free(&bench, &before, &bench.read("punched"));
    bench.ok("pack punched punched.image");
    assert!(bench.read("punched.image") == image);
}

/// Asserts that every byte of the disk that `blocks` does not call unused is the same.
#[track_caller]
fn same_but_for_what_is_free(bench: &Bench, before: &[u8], after: &[u8]) {
    assert_eq!(before.len(), after.len());
    let mut at = 0;
    // The parts of inode tables that were never used read as zeros in an image.
    let outcome = bench.run("blocks --output json disk");
    let list: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    for range in list["ranges"].as_array().unwrap() {
        let number = |key: &str| usize::try_from(range[key].as_u64().unwrap()).unwrap();
        let range = (
            number("start")..number("start") + number("length"),
            &range["kind"],
        );
        let (bytes, kind) = range;
        assert_eq!(bytes.start, at);
        at = bytes.end;
        if kind == "data" {
            assert!(before[bytes.clone()] == after[bytes.clone()], "{bytes:?}");
        }
    }
    assert_eq!(at, before.len());
    assert!(!unused(bench, "disk").is_empty());
}
