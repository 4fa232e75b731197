//! Random images: what QEMU makes of random writes, zeroes, discards, compressed
//! clusters, snapshots, resizes and overlays is read as QEMU reads it.
//!
//! `QCOW2_RANDOM_IMAGES` says how many, 30 where it is not set, and
//! `QCOW2_RANDOM_SEED` where to start. A recipe that fails is cut down to the steps
//! that it needs, and printed. Needs `qemu-img` and `qemu-io`; without them the test
//! is skipped, unless the variable `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use blockio::{Disk, MemoryDisk, ReadAt, tiles};
use fixtures::{SplitMix, Tool};
use qcow2_reader::{DiskGate, Image, OpenOptions, References, UnpackOptions};
use tempfile::TempDir;

/// Longest disk, in KiB.
const SIZE_KIB: u64 = 6 << 10;

/// A step in the making of a chain of images.
#[derive(Clone, Debug)]
enum Step {
    /// A new image on top, with options and a size in KiB.
    Create(String, u64),
    /// A command of qemu-io on the top.
    Io(String),
    /// A snapshot of the top.
    Snapshot,
    /// Another size of the top, in KiB.
    Resize(u64),
    /// The top's data goes into the image below, and stays here.
    Commit,
}

struct Tools {
    img: Tool,
    io: Tool,
}

fn one_of<'o>(random: &mut SplitMix, options: &[&'o str]) -> &'o str {
    let index = random.below(u64::try_from(options.len()).unwrap());
    options[usize::try_from(index).unwrap()]
}

fn create(random: &mut SplitMix) -> Step {
    let options = one_of(
        random,
        &[
            "cluster_size=512",
            "cluster_size=4k",
            "cluster_size=4k,compression_type=zstd",
            "cluster_size=64k",
            "cluster_size=64k,refcount_bits=64",
            "cluster_size=2M",
            "cluster_size=16k,extended_l2=on",
            "cluster_size=64k,extended_l2=on,compression_type=zstd",
            "cluster_size=2M,extended_l2=on",
            "compat=0.10,cluster_size=4k",
        ],
    );
    Step::Create(options.into(), 1 + random.below(SIZE_KIB))
}

fn io(random: &mut SplitMix) -> Step {
    let unit = 1 << random.below(8);
    let start = random.below(SIZE_KIB) / unit * unit;
    let length = (1 + random.below(300)).next_multiple_of(unit);
    let byte = 1 + random.below(255);
    Step::Io(match random.below(10) {
        0..=4 => format!("write -P {byte} {start}k {length}k"),
        5 => format!("write -z {start}k {length}k"),
        6 => format!("write -z -u {start}k {length}k"),
        7 => format!("discard {start}k {length}k"),
        _ => format!("write -c -P {byte} {}k 64k", start / 64 * 64),
    })
}

fn recipe(seed: u64) -> Vec<Step> {
    let mut random = SplitMix::new(seed);
    let mut steps = vec![create(&mut random)];
    for _ in 0..5 + random.below(25) {
        steps.push(match random.below(20) {
            0 | 1 => create(&mut random),
            2 => Step::Snapshot,
            3 => Step::Resize(1 + random.below(SIZE_KIB)),
            4 => Step::Commit,
            _ => io(&mut random),
        });
    }
    steps
}

/// Makes the images. What QEMU refuses to do is not done.
fn make(tools: &Tools, folder: &Path, steps: &[Step]) -> usize {
    let mut top = 0;
    let run = |tool: &Tool, arguments: &[&str]| {
        let outcome = tool.run(|command| command.args(arguments).current_dir(folder));
        outcome.unwrap().success()
    };
    for step in steps {
        let name = top.to_string();
        match step {
            Step::Create(options, kib) => {
                let (next, size) = ((top + 1).to_string(), format!("{kib}k"));
                let mut arguments = vec!["create", "-q", "-f", "qcow2", "-o", options];
                if top > 0 {
                    arguments.extend(["-b", &name, "-F", "qcow2"]);
                }
                arguments.extend([next.as_str(), &size]);
                assert!(run(&tools.img, &arguments), "{arguments:?}");
                top += 1;
            }
            Step::Io(command) => {
                run(&tools.io, &["-f", "qcow2", "-c", command, &name]);
            }
            Step::Snapshot => {
                run(&tools.img, &["snapshot", "-c", "s", &name]);
            }
            Step::Resize(kib) => {
                let size = format!("{kib}k");
                run(
                    &tools.img,
                    &["resize", "-q", "--shrink", "-f", "qcow2", &name, &size],
                );
            }
            Step::Commit => {
                run(&tools.img, &["commit", "-q", "-d", "-f", "qcow2", &name]);
            }
        }
    }
    top
}

/// What is not as QEMU says.
fn compare(tools: &Tools, folder: &Path, top: usize) -> Result<(), String> {
    let (name, raw) = (top.to_string(), folder.join("raw"));
    tools
        .img
        .ok(|command| {
            command
                .args(["convert", "-f", "qcow2", "-O", "raw", &name, "raw"])
                .current_dir(folder)
        })
        .unwrap();
    let want = fs::read(raw).unwrap();
    let disk = Disk::open(folder.join(&name)).unwrap();
    let mut gate = DiskGate::new(&disk, References::Beside);
    let image = Image::open_with(disk, &OpenOptions::default(), &mut gate);
    let image = image.map_err(|error| format!("{error:?}"))?;
    let checked = image.check_references();
    checked.map_err(|error| format!("references: {error}"))?;
    let target = MemoryDisk::new(vec![0xaa; 77]);
    let unpacked = image.unpack(&target, &UnpackOptions::default());
    unpacked.map_err(|error| format!("unpack: {error:?}"))?;
    if target.into_bytes() != want {
        return Err("the disk differs".into());
    }
    let extents: Result<Vec<_>, _> = image.extents().collect();
    if !tiles(extents.map_err(|error| format!("{error:?}"))?, image.size()) {
        return Err("the extents do not tile the disk".into());
    }
    let mut random = SplitMix::new(1);
    for _ in 0..20 {
        let start = random.below(image.size());
        let length = random.below(100_000).min(image.size() - start);
        let mut part = vec![0xee; usize::try_from(length).unwrap()];
        let read = image.read_at(start, &mut part);
        read.map_err(|error| format!("read at {start}: {error}"))?;
        let start = usize::try_from(start).unwrap();
        if part != want[start..start + part.len()] {
            return Err(format!("{length} bytes at {start} differ"));
        }
    }
    Ok(())
}

fn fault(tools: &Tools, steps: &[Step]) -> Option<String> {
    let folder = TempDir::new().unwrap();
    let top = make(tools, folder.path(), steps);
    compare(tools, folder.path(), top).err()
}

/// The steps that a fault needs.
fn cut_down(tools: &Tools, mut steps: Vec<Step>) -> Vec<Step> {
    let mut index = steps.len();
    while index > 1 {
        index -= 1;
        let mut fewer = steps.clone();
        fewer.remove(index);
        if fault(tools, &fewer).is_some() {
            steps = fewer;
        }
    }
    steps
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn random_images_are_read_as_by_qemu() {
    let (Some(img), Some(io)) = (fixtures::require("qemu-img"), fixtures::require("qemu-io"))
    else {
        return;
    };
    let tools = Tools { img, io };
    let first = number("QCOW2_RANDOM_SEED", 1);
    for seed in first..first + number("QCOW2_RANDOM_IMAGES", 30) {
        let steps = recipe(seed);
        if let Some(fault) = fault(&tools, &steps) {
            panic!("seed {seed}: {fault}: {:#?}", cut_down(&tools, steps));
        }
    }
}
