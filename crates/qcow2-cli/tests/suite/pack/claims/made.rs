//! What other tools make over an ext4, and mke2fs over what they make.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, SplitMix, Tool, require};

use super::MIB;
use crate::bench::Bench;

/// A tool that makes something of the file or disk it is given.
struct Maker {
    tool: &'static str,
    /// Its arguments; the file comes last.
    arguments: &'static [&'static str],
    bytes: u64,
    /// What of an ext4 it leaves: the superblock, so that only its own signature
    /// tells.
    leaves_ext: bool,
    /// What of it may be free is known.
    is_known: bool,
}

const fn maker(tool: &'static str, arguments: &'static [&'static str], mib: u64) -> Maker {
    Maker {
        tool,
        arguments,
        bytes: mib * MIB,
        leaves_ext: false,
        is_known: false,
    }
}

const fn known(tool: &'static str, arguments: &'static [&'static str], mib: u64) -> Maker {
    Maker {
        is_known: true,
        ..maker(tool, arguments, mib)
    }
}

const fn leaving(tool: &'static str, arguments: &'static [&'static str], mib: u64) -> Maker {
    Maker {
        leaves_ext: true,
        ..maker(tool, arguments, mib)
    }
}

const MAKERS: &[Maker] = &[
    known("mkfs.xfs", &["-q", "-f"], 320),
    known("mkfs.btrfs", &["-q", "-f"], 128),
    known("mkfs.vfat", &["-F16"], 32),
    known("mkfs.vfat", &["-F32"], 48),
    known("mkfs.vfat", &["--mbr=y"], 32),
    leaving("mformat", &["-F", "-i"], 48),
    maker("mkudffs", &["-m", "hd"], 32),
    leaving("mkudffs", &["-m", "dvd"], 32),
    leaving("mkudffs", &["-m", "cdrw"], 32),
    leaving("mkudffs", &["--bootarea=preserve", "-b", "512"], 32),
    leaving("mkudffs", &["--bootarea=preserve", "-b", "4096"], 32),
    known("mkntfs", &["-q", "-F", "-Q"], 32),
    known("mkfs.exfat", &[], 32),
    maker("mkfs.f2fs", &["-q", "-f"], 64),
    known("mkswap", &["-f"], 32),
    known("mkswap", &["-f", "-p", "65536"], 32),
];

/// Random bytes, as of files, which no ext4 knows, in the middle of the disk.
fn fill(bench: &Bench, bytes: u64) {
    let disk = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    let data = SplitMix::new(7).bytes(1 << 20);
    disk.write_all_at(&data, bytes / 2 + 3 * MIB).unwrap();
}

fn make(maker: &Maker, tool: &Tool, bench: &Bench) {
    let path = bench.path("disk");
    let words = maker.arguments.iter();
    let made = tool.run(|command| {
        let command = command.args(words.clone()).arg(&path);
        match maker.tool {
            "mformat" => command.arg("::"),
            _ => command,
        }
    });
    let made = made.unwrap();
    assert!(
        made.success(),
        "{} {:?}: {made:?}",
        maker.tool,
        maker.arguments
    );
}

/// Packs and restores the disk, and whether that is the same and what was said.
#[track_caller]
fn round_trip(bench: &Bench, what: &str) -> (bool, Option<i32>, String) {
    let outcome = bench.run("pack --force disk image");
    assert!(matches!(outcome.code, Some(0 | 3)), "{what}: {outcome:?}");
    bench.ok("unpack --force image restored");
    let equal = fixtures::first_difference(&bench.path("disk"), &bench.path("restored"));
    (equal.unwrap().is_none(), outcome.code, outcome.stdout)
}

#[test]
fn what_is_made_over_an_ext4_is_kept_whole() {
    let (Some(e2fs), Some(blkid)) = (E2fs::require(), require("blkid")) else {
        return;
    };
    for maker in MAKERS {
        let Some(tool) = require(maker.tool) else {
            continue;
        };
        let what = format!("{} {:?}", maker.tool, maker.arguments);
        let bench = Bench::new();
        let options = ["-t", "ext4", "-b", "4096"];
        e2fs.make(&bench.path("disk"), maker.bytes, &options)
            .unwrap();
        make(maker, &tool, &bench);
        fill(&bench, maker.bytes);
        let (equal, code, said) = round_trip(&bench, &what);
        // Its own free clusters and pages are left out, those of the ext4 with them.
        assert_eq!(equal, !maker.is_known, "{what}: {said}");
        let ambivalent = super::blkid(&blkid, &bench, "disk").contains("ambivalent");
        assert_eq!(ambivalent, maker.leaves_ext, "{what}");
        let want = if maker.leaves_ext { Some(3) } else { Some(0) };
        assert_eq!(code, want, "{what}: {said}");
    }
}

/// mke2fs removes every one of these signatures, even from disks that it cannot
/// discard. So what is free in the new filesystem is left out, and that alone.
#[test]
fn an_ext4_over_something_else_is_an_ext4() {
    let (Some(e2fs), Some(blkid)) = (E2fs::require(), require("blkid")) else {
        return;
    };
    for maker in MAKERS {
        let Some(tool) = require(maker.tool) else {
            continue;
        };
        let what = format!("ext4 over {} {:?}", maker.tool, maker.arguments);
        let bench = Bench::new();
        let disk = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(bench.path("disk"));
        disk.unwrap().set_len(maker.bytes).unwrap();
        make(maker, &tool, &bench);
        let options = ["-t", "ext4", "-b", "4096", "-E", "nodiscard"];
        e2fs.make(&bench.path("disk"), maker.bytes, &options)
            .unwrap();
        fill(&bench, maker.bytes);
        let found = super::blkid(&blkid, &bench, "disk");
        assert!(found.contains("TYPE=\"ext4\""), "{what}: {found}");
        let before = e2fs.fsck(&["-fn"], &bench.path("disk")).unwrap();
        let (_, code, said) = round_trip(&bench, &what);
        assert_eq!(code, Some(0), "{what}: {said}");
        let after = e2fs.fsck(&["-fn"], &bench.path("restored")).unwrap();
        assert_eq!(before, after, "{what}");
        let usage = e2fs.usage(&bench.path("disk")).unwrap().unwrap();
        let lost = fixtures::compare(&bench.path("disk"), &bench.path("restored"), Some(&usage));
        assert_eq!(lost.unwrap().lost, 0, "{what}");
    }
}
