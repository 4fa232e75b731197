//! What is done to make a chain of images, drawn by chance.

use fixtures::SplitMix;

use crate::options::{self, Options};

/// Longest disk, in bytes.
const DISK_BYTES_MAX: u64 = 6 << 20;

/// The names of bitmaps.
pub(crate) const BITMAPS: [&str; 3] = ["b0", "b1", "b2"];

/// A step in the making of a chain of images. The top is the image that was made
/// last; what QEMU refuses to do is not done.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A raw disk of any length, below all images.
    Raw {
        bytes: u64,
    },
    /// A new image on the top.
    Create {
        options: Options,
        bytes: u64,
    },
    /// The top is copied into a new image, which takes its place.
    Convert {
        options: Options,
        flags: &'static str,
        /// What its backing file has is not copied.
        keeps_backing: bool,
    },
    /// A command of qemu-io on the top.
    Io(String),
    /// The qemu-io that did the last steps is killed.
    Kill,
    /// A snapshot of the top.
    Snapshot,
    /// The top becomes one of its snapshots.
    Apply(u64),
    /// One of the snapshots of the top goes.
    Delete(u64),
    Resize {
        bytes: u64,
        preallocation: &'static str,
    },
    /// The top's data goes into the image below, and stays here or not.
    Commit {
        stays: bool,
    },
    /// Another layer below, or none, becomes the backing file of the top.
    Rebase {
        to: u64,
        is_safe: bool,
    },
    Amend(&'static str),
    /// Something is done to one of the bitmaps of the top.
    Bitmap {
        action: &'static str,
        name: &'static str,
    },
}

/// One of them.
pub(crate) fn one_of<'o>(random: &mut SplitMix, all: &[&'o str]) -> &'o str {
    all[index(random, all.len())]
}

pub(crate) fn index(random: &mut SplitMix, end: usize) -> usize {
    usize::try_from(random.below(u64::try_from(end).unwrap())).unwrap()
}

fn disk_bytes(random: &mut SplitMix) -> u64 {
    let unit = [512, 1 << 10, 64 << 10][index(random, 3)];
    (1 + random.below(DISK_BYTES_MAX)).next_multiple_of(unit)
}

fn create(random: &mut SplitMix, is_base: bool) -> Step {
    Step::Create {
        options: options::draw(random, is_base),
        bytes: disk_bytes(random),
    }
}

fn convert(random: &mut SplitMix) -> Step {
    let keeps_backing = random.below(3) == 0;
    Step::Convert {
        options: options::draw(random, !keeps_backing),
        flags: one_of(
            random,
            &["", "-c", "-c -W", "-W", "--bitmaps", "-S 512", "-S 0"],
        ),
        keeps_backing,
    }
}

fn io(random: &mut SplitMix) -> Step {
    let unit = 512 << random.below(9);
    let start = random.below(DISK_BYTES_MAX) / unit * unit;
    let longest = [8 << 10, 64 << 10, 300 << 10][index(random, 3)];
    let bytes = (1 + random.below(longest)).next_multiple_of(unit);
    let byte = 1 + random.below(255);
    let filled = format!("write -P {byte}");
    let (command, start, bytes) = match random.below(24) {
        0..=4 => (filled.as_str(), start, bytes),
        5..=9 => ("write -s words", start, bytes),
        10..=12 => ("write -z", start, bytes),
        13 | 14 => ("write -z -u", start, bytes),
        15..=17 => ("discard", start, bytes),
        18 => ("aio_write -s words", start, bytes),
        19 => ("aio_write -z -u", start, bytes),
        // Beside the disk, where virtual machines keep their state.
        20 => ("write -b -P 255", start / 8, bytes),
        _ => {
            let cluster = [64 << 10, 64 << 10, 2 << 20][index(random, 3)];
            let start = start / cluster * cluster;
            ("write -c -s words", start, cluster * (1 + random.below(2)))
        }
    };
    Step::Io(format!("{command} {start} {bytes}"))
}

fn snapshots(random: &mut SplitMix) -> Step {
    match random.below(6) {
        0..=2 => Step::Snapshot,
        3 | 4 => Step::Apply(random.next_u64()),
        _ => Step::Delete(random.next_u64()),
    }
}

fn resize(random: &mut SplitMix) -> Step {
    Step::Resize {
        bytes: disk_bytes(random),
        preallocation: one_of(random, &["off", "off", "off", "metadata", "falloc", "full"]),
    }
}

fn bitmap(random: &mut SplitMix) -> Step {
    let actions = [
        "--add",
        "--add",
        "--add -g 512",
        "--add -g 2M",
        "--add --disable",
        "--disable",
        "--enable",
        "--clear",
        "--merge b0",
        "--merge b1",
        "--remove",
    ];
    Step::Bitmap {
        action: one_of(random, &actions),
        name: one_of(random, &BITMAPS),
    }
}

fn amend(random: &mut SplitMix) -> Step {
    // Not the refcounts' width: QEMU takes many seconds for that.
    let options = [
        "compat=0.10",
        "compat=1.1",
        "lazy_refcounts=on",
        "lazy_refcounts=off",
    ];
    Step::Amend(one_of(random, &options))
}

/// Compressed clusters, or plain data, nearly all over the top.
fn fill(random: &mut SplitMix, bytes: u64, is_compressed: bool) -> Vec<Step> {
    let piece = 2 << 20;
    let mut steps = Vec::new();
    for start in (0..bytes).step_by(2 << 20) {
        if random.below(5) == 0 {
            continue;
        }
        let length = piece.min(bytes - start);
        // Whole clusters are compressed, and the end of the disk.
        let command = match is_compressed {
            true => "write -c -s words",
            false => "write -s words",
        };
        steps.push(Step::Io(format!("{command} {start} {length}")));
    }
    steps
}

/// Where batches of the reader end, if nothing keeps them from it.
const BATCH_BYTES: u64 = 512 << 10;

/// Single sectors, subclusters and small clusters, many of them about where batches end.
fn speckle(random: &mut SplitMix, bytes: u64) -> Vec<Step> {
    let count = 3 + random.below(10);
    let speck = |random: &mut SplitMix| {
        let unit = 512 << random.below(4);
        let near = random.below(1 + bytes / BATCH_BYTES) * BATCH_BYTES;
        let at = match random.below(3) {
            0 => (near + unit * random.below(16)).saturating_sub(8 * unit),
            _ => random.below(bytes),
        };
        let at = at.min(bytes - 1) / unit * unit;
        let length = (unit * (1 + random.below(2))).min(bytes - at);
        let byte = 1 + random.below(255);
        Step::Io(match random.below(8) {
            0 => format!("write -z {at} {length}"),
            1 => format!("discard {at} {length}"),
            _ => format!("write -P {byte} {at} {length}"),
        })
    };
    (0..count).map(|_| speck(random)).collect()
}

/// Two images over each other, of any sizes, clusters and compression: what is above
/// ends and begins anywhere in the clusters of what is below.
fn two_layers(random: &mut SplitMix) -> Vec<Step> {
    let below = disk_bytes(random).max(64 << 10);
    let above = match random.below(3) {
        0 => below,
        1 => below + disk_bytes(random),
        _ => (below / 512 * (1 + random.below(7)) / 8).max(1) * 512,
    };
    let mut steps = Vec::new();
    for bytes in [below, above] {
        steps.push(Step::Create {
            options: options::draw_one_of_two(random),
            bytes,
        });
        match random.below(4) {
            // Above, this would leave nothing of what is below.
            0 | 1 if bytes == below && steps.len() == 1 => {
                steps.extend(fill(random, bytes, true));
            }
            2 if steps.len() == 1 => steps.extend(fill(random, bytes, false)),
            3 => {
                let cluster = 2 << 20;
                let start = random.below(bytes) / cluster * cluster;
                let length = cluster.min(bytes - start);
                let command = format!("write -c -s words {start} {length}");
                steps.push(Step::Io(command));
            }
            _ => {}
        }
        steps.extend(speckle(random, bytes));
    }
    steps
}

/// The recipe of `seed`.
pub(crate) fn draw(seed: u64) -> Vec<Step> {
    let mut random = SplitMix::new(seed);
    let random = &mut random;
    let mut steps = Vec::new();
    let on_raw = random.below(8) == 0;
    if on_raw {
        let bytes = 1 + random.below(DISK_BYTES_MAX);
        steps.push(Step::Raw { bytes });
        steps.extend((0..3).map(|_| io(random)));
    }
    steps.push(create(random, !on_raw));
    // A third has them last, so that nothing covers them.
    let two_layers_at = random.below(3);
    if two_layers_at == 1 {
        steps.extend(two_layers(random));
    }
    let most = if two_layers_at == 0 { 25 } else { 12 };
    for _ in 0..5 + random.below(most) {
        steps.push(match random.below(64) {
            0..=3 => create(random, false),
            4 | 5 => convert(random),
            6..=11 => snapshots(random),
            12..=14 => resize(random),
            15 | 16 => Step::Commit {
                stays: random.below(2) == 0,
            },
            17 | 18 => Step::Rebase {
                to: random.next_u64(),
                is_safe: random.below(3) != 0,
            },
            19 => amend(random),
            20..=23 => bitmap(random),
            24 | 25 => Step::Kill,
            _ => io(random),
        });
    }
    if two_layers_at == 2 {
        steps.extend(two_layers(random));
    }
    steps
}
