//! Small subclusters over large compressed clusters: what is above is not where the
//! batches of what is below end.

use std::fs::File;
use std::process::Stdio;

use blockio::{MemoryDisk, ReadAt};
use fixtures::{Qemu, SplitMix};
use hostdisk::Disk;
use qcow2_reader::{DiskGate, Image, OpenOptions, References, UnpackOptions};

use crate::bench::Bench;

/// Bytes of the disk: no multiple of any cluster.
const DISK_BYTES: usize = (9 << 20) + 1536;
/// Bytes of a subcluster of the top.
const SUBCLUSTER: u64 = 2048;
/// Where a compressed cluster below makes a batch end past its limit.
const BATCH_BYTES: u64 = 512 << 10;

/// Words, which compress, and no two places of which are equal.
fn words() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..2_000_000)
        .flat_map(|number| format!("{number}\n").into_bytes())
        .collect();
    bytes.truncate(DISK_BYTES);
    bytes
}

/// Single subclusters around the limits of batches and anywhere, as commands.
fn writes(seed: u64) -> Vec<String> {
    let mut random = SplitMix::new(seed);
    (0..30)
        .map(|turn| {
            let end = u64::try_from(DISK_BYTES).unwrap() / SUBCLUSTER;
            let at = if turn % 3 == 0 {
                random.below(end)
            } else {
                let limit = random.below(1 + end * SUBCLUSTER / BATCH_BYTES) * BATCH_BYTES;
                (limit / SUBCLUSTER + random.below(8))
                    .saturating_sub(4)
                    .min(end - 1)
            };
            let (at, byte) = (at * SUBCLUSTER, 1 + random.below(255));
            match random.below(6) {
                0 => format!("write -z {at} {SUBCLUSTER}"),
                _ => format!("write -P {byte} {at} {SUBCLUSTER}"),
            }
        })
        .collect()
}

/// Makes `base`, `top` over it, and `disk`, what QEMU says is in `top`.
fn make(bench: &Bench, cluster: &str, compression: &str, seed: u64) {
    bench.write("raw", words());
    bench.qemu_img(&format!(
        "convert -q -c -f raw -O qcow2 -o cluster_size={cluster},compression_type={compression} raw base"
    ));
    bench.qemu_img(&format!(
        "create -q -f qcow2 -o cluster_size=64k,extended_l2=on -b base -F qcow2 top {DISK_BYTES}"
    ));
    let writes = writes(seed);
    let mut arguments = vec!["-f", "qcow2"];
    for command in &writes {
        arguments.extend(["-c", command]);
    }
    arguments.push("top");
    bench.qemu("qemu-io", &arguments);
    bench.qemu_img("convert -f qcow2 -O raw top disk");
}

/// Asserts that all ways to restore `top` give `disk`.
#[track_caller]
fn restores(bench: &Bench, what: &str) {
    let disk = bench.read("disk");
    bench.write("out", vec![0xaa; disk.len()]);
    for options in [
        "--force",
        "--force --threads 1",
        "--force --threads 3",
        "--only-changed",
        "--in-place",
    ] {
        bench.ok(&format!(
            "unpack -q --no-sync --references beside {options} top out"
        ));
        assert!(bench.read("out") == disk, "{what} {options}");
    }
    for options in ["", "--threads 1"] {
        let piped = File::create(bench.path("piped")).unwrap();
        let mut command = bench.command(&format!("unpack -q --references beside {options} top -"));
        // Not the file itself, in which one can go back.
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        std::io::copy(&mut output, &mut &piped).unwrap();
        assert!(child.wait().unwrap().success(), "{what} {options}");
        assert!(bench.read("piped") == disk, "{what}, a pipe {options}");
    }
    let image = Disk::open(bench.path("top")).unwrap();
    let mut gate = DiskGate::new(&image, References::Beside);
    let image = Image::open_with(image, &OpenOptions::default(), &mut gate).unwrap();
    for target in [MemoryDisk::default(), MemoryDisk::new(vec![0xaa; 99])] {
        image.unpack(&target, &UnpackOptions::default()).unwrap();
        assert!(target.into_bytes() == disk, "{what}, the library");
    }
    let mut bytes = vec![0xee; disk.len()];
    image.read_at(0, &mut bytes).unwrap();
    assert!(bytes == disk, "{what}, read");
}

#[test]
fn single_subclusters_over_large_compressed_clusters_are_restored() {
    if Qemu::require().is_none() {
        return;
    }
    let mut seed = 0;
    for cluster in ["1M", "2M"] {
        for compression in ["zlib", "zstd"] {
            seed += 1;
            let bench = Bench::new();
            make(&bench, cluster, compression, seed);
            restores(&bench, &format!("{cluster} {compression}"));
        }
    }
}
