//! What no image can be packed over, and runs that fail.

use std::fs;

use fixtures::{Qemu, Tool};

use super::bench;
use crate::bench::Bench;

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = bench("");
    let names = bench.names();
    bench.fails(
        "pack --compat 0.10 --base old disk new",
        2,
        "--base needs --compat 1.1: qcow2 v2 cannot say that what the base holds is zeros now",
    );
    bench.fails(
        "pack --content metadata --base old disk new",
        2,
        "--base and --content metadata exclude each other: what an image of metadata leaves out \
         is not what a base holds",
    );
    bench.fails(
        "pack --reflink auto --base old disk new",
        2,
        "--base and --reflink exclude each other: what is shared is not compared",
    );
    bench.fails(
        "pack --write-index ./new disk new",
        2,
        "--write-index and IMAGE are the same file",
    );
    bench.fails(
        "pack --base old --base-name ./new disk new",
        2,
        "--base-name leads to the new image, which cannot be its own base",
    );
    bench.fails(
        "pack --write-index index disk -",
        2,
        "--write-index needs an image in a file, not on the standard output",
    );
    // A symbolic link that leads to the image, too.
    std::os::unix::fs::symlink("new", bench.path("link")).unwrap();
    bench.fails(
        "pack --base old --base-name link disk new",
        2,
        "--base-name leads to the new image, which cannot be its own base",
    );
    fs::remove_file(bench.path("link")).unwrap();
    bench.fails(
        "pack --write-index index --salvage disk new",
        2,
        "--write-index and --salvage exclude each other: what can be read one time only has no \
         digest",
    );
    bench.fails(
        "pack --write-index index --content metadata disk new",
        2,
        "--write-index and --content metadata exclude each other: an image of metadata is no base",
    );
    bench.fails(
        "pack --write-index new disk new",
        2,
        "--write-index and IMAGE are the same file",
    );
    assert_eq!(bench.names(), names);
}

#[test]
fn files_that_cannot_be_a_base_are_refused() {
    let bench = bench("");
    let names = bench.names();
    assert_eq!(bench.run("pack --index i disk new").code, Some(2));
    assert_eq!(bench.run("pack --base-name n disk new").code, Some(2));
    let itself = bench.run("pack --force --base old disk old");
    assert_eq!(itself.code, Some(1));
    assert!(itself.stderr.contains("is the source itself"), "{itself:?}");
    let index = bench.run("pack --force --base old --write-index old disk new");
    assert!(index.stderr.contains("is the source itself"), "{index:?}");
    bench.fails(
        "pack --source-format raw --base old old new",
        1,
        "old: the source is a part of it",
    );
    let none = bench.run("pack --base disk disk new");
    assert_eq!(none.code, Some(1), "{none:?}");
    let long = "x".repeat(1024);
    bench.fails(
        &format!("pack --base old --base-name {long} disk new"),
        1,
        "new: the name of its base has 1024 bytes, and 1 to 1023 are allowed: --base-name \
         records another",
    );
    let room = bench.run(&format!(
        "pack --base old --cluster-size 512 --base-name {} disk new",
        &long[..600]
    ));
    assert_eq!(room.code, Some(1), "{room:?}");
    assert_eq!(bench.names(), names);
}

#[test]
fn a_base_that_unpack_refuses_is_refused() {
    let Some(_) = Qemu::require() else { return };
    let bench = bench("");
    let names = bench.names();
    // The corrupt bit.
    let old = bench.read("old");
    let mut marked = old.clone();
    marked[79] |= 2;
    bench.write("old", &marked);
    let outcome = bench.run("pack --base old disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // A refcount that is too small.
    let mut wrong = old.clone();
    let table = usize::try_from(u64::from_be_bytes(old[48..56].try_into().unwrap())).unwrap();
    let block = u64::from_be_bytes(old[table..table + 8].try_into().unwrap());
    let block = usize::try_from(block).unwrap();
    wrong[block..block + 64].fill(0);
    bench.write("old", &wrong);
    let outcome = bench.run("pack --base old disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // The dirty bit alone does no harm.
    let mut dirty = old.clone();
    dirty[79] |= 1;
    bench.write("old", &dirty);
    bench.ok("pack --base old disk new");
    restores_without_qemu(&bench, "new");
    fs::remove_file(bench.path("new")).unwrap();
    fs::remove_file(bench.path("restored")).unwrap();
    bench.qemu_img(
        "create -q -f qcow2 --object secret,id=s,data=p -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 locked 4M",
    );
    bench.fails(
        "pack --base locked disk new",
        1,
        "locked: it is encrypted, and what is packed over it would not be",
    );
    bench.qemu_img("create -q -u -f qcow2 -b locked -F qcow2 over 4M");
    bench.fails(
        "pack --references beside --base over disk new",
        1,
        "over: it is encrypted, and what is packed over it would not be",
    );
    fs::remove_file(bench.path("locked")).unwrap();
    fs::remove_file(bench.path("over")).unwrap();
    assert_eq!(bench.names(), names);
}

fn restores_without_qemu(bench: &Bench, new: &str) {
    bench.ok(&format!("unpack --references beside {new} restored"));
    assert!(bench.read("restored") == bench.read("disk"));
}

#[test]
fn a_base_that_is_cut_short_leaves_nothing() {
    let bench = bench("");
    let names = bench.names();
    let cut = bench.read("old");
    bench.write("old", &cut[..cut.len() / 2]);
    let outcome = bench.run("pack --base old --write-index i disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(bench.names(), names);
}

#[test]
fn a_run_that_fails_late_leaves_nothing() {
    let bench = bench("");
    let names = bench.names();
    // The index has no folder, and the file system of the image no room.
    let outcome = bench.run("pack --base old --write-index none/index disk new");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(bench.names(), names);
    let program = env!("CARGO_BIN_EXE_qcow2");
    for (limit, base) in [("100", "--base old"), ("1", "--write-index index")] {
        let script = format!("ulimit -f {limit}; exec {program} pack {base} disk new");
        let outcome = Tool::find("sh")
            .unwrap()
            .run(|command| command.args(["-c", &script]).current_dir(bench.folder()))
            .unwrap();
        assert!(!outcome.success(), "{outcome:?}");
        assert_eq!(bench.names(), names);
    }
}
