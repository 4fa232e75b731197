//! Disks that cannot be read everywhere: loop devices over a file of which btrfs
//! finds that a block is not what was written. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{E2fs, SplitMix, Tool};

use crate::bench::Bench;
use crate::mounts::{Loop, Mount};

/// What mkfs.btrfs accepts.
const BTRFS_BYTES: u64 = 256 << 20;

const BLOCK: usize = 4096;

/// A disk with an ext4, as it was written, and as a device that cannot read one
/// block of it. Dropped in this order.
struct Failing {
    disk: Loop,
    _mount: Mount,
    _below: Loop,
    bench: Bench,
    bytes: Vec<u8>,
    /// The offset of what cannot be read.
    bad: usize,
}

impl Failing {
    /// A disk that cannot read the block at the offset that `choose` gives. `None`,
    /// after saying so, where that cannot be.
    fn new(choose: impl FnOnce(&[u8]) -> usize) -> Option<Self> {
        let (e2fs, mkfs) = (E2fs::require()?, fixtures::require("mkfs.btrfs")?);
        let known = fs::read_to_string("/proc/filesystems").unwrap();
        if !known.contains("btrfs") {
            eprintln!("SKIPPED: no btrfs in this kernel");
            return None;
        }
        let bench = Bench::new();
        let store = bench.path("store");
        File::create(&store).unwrap().set_len(BTRFS_BYTES).unwrap();
        mkfs.ok(|command| command.args(["-q", "-m", "single"]).arg(&store))
            .unwrap();
        let below = Loop::over(&store)?;
        let mount = Mount::new(&below.device, bench.path("place"));
        let path = mount.0.join("disk");
        let files = bench.path("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("file"), SplitMix::new(1).bytes(3 << 20)).unwrap();
        let from = files.to_str().unwrap();
        e2fs.make(&path, 8 << 20, &["-t", "ext4", "-b", "4096", "-d", from])
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        let bad = choose(&bytes);
        drop((mount, below));

        spoil(&store, &bytes[bad..bad + BLOCK]);
        let below = Loop::over(&store)?;
        let mount = Mount::new(&below.device, bench.path("place"));
        let disk = Loop::over(&path)?;
        Some(Self {
            disk,
            _mount: mount,
            _below: below,
            bench,
            bytes,
            bad,
        })
    }

    /// The disk, with zeros where it cannot be read.
    fn readable(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[self.bad..self.bad + BLOCK].fill(0);
        bytes
    }
}

/// Changes a bit of the one `block` of the file `store` that is this.
fn spoil(store: &Path, block: &[u8]) {
    let bytes = fs::read(store).unwrap();
    let mut found = bytes
        .chunks(BLOCK)
        .enumerate()
        .filter(|(_, chunk)| *chunk == block);
    let (index, _) = found.next().unwrap();
    assert!(found.next().is_none(), "the block is there twice");
    let at = u64::try_from(index * BLOCK).unwrap();
    let file = File::options().write(true).open(store).unwrap();
    file.write_all_at(&[block[100] ^ 1], at + 100).unwrap();
    file.sync_all().unwrap();
}

/// A block of the file in the middle of it.
fn in_file(bytes: &[u8]) -> usize {
    let file = SplitMix::new(1).bytes(3 << 20);
    let middle = &file[1 << 20..][..BLOCK];
    let blocks = bytes.chunks(BLOCK);
    blocks.take_while(|block| *block != middle).count() * BLOCK
}

#[test]
fn what_cannot_be_read_is_an_error_unless_it_is_salvaged() {
    let Some(failing) = Failing::new(in_file) else {
        return;
    };
    let (bench, device, bad) = (&failing.bench, &failing.disk.device, failing.bad);
    let names = bench.names();
    let outcome = bench.run(&format!("pack {device} image"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let said = format!("qcow2: {device}: cannot read ");
    assert!(outcome.stderr.starts_with(&said), "{outcome:?}");
    assert!(
        outcome.stderr.contains("bytes of the disk at 0x"),
        "{outcome:?}"
    );
    assert_eq!(bench.names(), names);

    let arguments = format!("pack --salvage --lost map --verify --digest {device} image");
    let outcome = bench.run(&arguments);
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    for text in [
        format!("lost     {BLOCK} bytes at {bad:#x}\n"),
        format!("lost     {BLOCK} bytes in total, replaced by zeros\n"),
    ] {
        assert!(outcome.stdout.contains(&text), "{outcome:?}");
    }
    assert!(
        !outcome.stdout.contains("everything is stored"),
        "{outcome:?}"
    );
    bench.ok("unpack image restored");
    let restored = bench.read("restored");
    let want = failing.readable();
    assert_eq!(restored.len(), want.len());
    for (index, (found, want)) in restored.chunks(BLOCK).zip(want.chunks(BLOCK)).enumerate() {
        let is_free = found.iter().all(|&byte| byte == 0);
        assert!(
            found == want || is_free && index * BLOCK != bad,
            "block {index}"
        );
    }
    if let Some(log) = fixtures::require("ddrescuelog") {
        let status = log
            .ok(|command| command.arg("-t").arg(bench.path("map")))
            .unwrap();
        assert!(
            status.contains("bad-sector:     4096 B,  in      1 area(s)"),
            "{status}"
        );
        assert!(status.contains("mapfile extent:    8388 kB"), "{status}");
        let list = log.ok(|command| command.args(["-b", "4096", "-l-"]).arg(bench.path("map")));
        assert_eq!(list.unwrap(), format!("{}\n", bad / BLOCK));
    }

    // In a file, and to a pipe, whose two passes agree.
    let path = bench.path("place/disk");
    let outcome = bench.run(&format!(
        "pack --allow-mounted --content all --salvage {} other",
        path.display()
    ));
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    bench.ok("unpack other again");
    assert!(bench.read("again") == failing.readable());
    let mut command = bench.command(&format!("pack --quiet --content all --salvage {device} -"));
    let piped = command.output().unwrap();
    assert_eq!(piped.status.code(), Some(4));
    assert!(piped.stdout == bench.read("other"));
}

#[test]
fn nothing_is_proven_free_by_metadata_that_cannot_be_read() {
    // Block 0 has the superblock, and the block after its descriptors a bitmap. That
    // one is where other formats have their signatures, too, which are read first.
    let bitmap = |bytes: &[u8]| {
        let stored = bytes[BLOCK..BLOCK + 4].try_into().unwrap();
        usize::try_from(u32::from_le_bytes(stored)).unwrap() * BLOCK
    };
    for what in [
        "superblock at byte 0x400 cannot be read",
        "signature of something other than ext at byte 0x2",
    ] {
        let is_bitmap = what.starts_with("signature");
        let place = |bytes: &[u8]| if is_bitmap { bitmap(bytes) } else { 0 };
        let Some(failing) = Failing::new(place) else {
            return;
        };
        let (bench, device) = (&failing.bench, &failing.disk.device);
        let outcome = bench.run(&format!("pack {device} image"));
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(what), "{outcome:?}");

        let outcome = bench.run(&format!("pack --salvage --verify {device} image"));
        assert_eq!(outcome.code, Some(4), "{outcome:?}");
        let note = format!("note     everything is stored: {what}");
        assert!(outcome.stdout.contains(&note), "{outcome:?}");
        bench.ok("unpack image restored");
        assert!(bench.read("restored") == failing.readable(), "{what}");
    }
}

#[test]
fn a_map_is_written_where_nothing_was_lost_and_overwrites_nothing() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(2).bytes(100_000));
    let report = bench.ok("pack --salvage --lost map disk image");
    assert!(!report.contains("lost "), "{report}");
    let map = String::from_utf8(bench.read("map")).unwrap();
    assert!(map.ends_with("\n0x00000000  0x000186a0  +\n"), "{map}");
    if let Some(log) = Tool::find("ddrescuelog") {
        let done = log.run(|command| command.arg("-D").arg(bench.path("map")));
        assert!(done.unwrap().success());
    }
    let disk = bench.read("disk");
    bench.fails(
        "pack --salvage --lost map disk two",
        1,
        "map already exists; --force overwrites it",
    );
    let source = "disk is the source itself, or a file or device that the source depends on";
    bench.fails("pack --salvage --force --lost disk disk two", 1, source);
    assert!(bench.read("disk") == disk);
    bench.ok("pack --salvage --force --lost map disk two");

    let usage = |arguments: &str, message: &str| bench.fails(arguments, 2, message);
    usage(
        "pack --salvage --reflink auto disk three",
        "--reflink and --salvage exclude each other: what is shared is not read",
    );
    usage(
        "pack --salvage --lost - disk three",
        "--lost needs a file, not the standard output",
    );
    usage(
        "pack --salvage --lost three disk three",
        "--lost and IMAGE are the same file",
    );
    for wrong in ["pack --lost map disk three", "pack --freeze disk three"] {
        assert_eq!(bench.run(wrong).code, Some(2), "{wrong}");
    }
    assert_eq!(bench.names(), ["disk", "image", "map", "two"]);
}

#[test]
fn an_image_that_restores_to_far_more_than_it_is_is_told() {
    if fixtures::Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 -o cluster_size=2M image 2G");
    bench.qemu_io("write -q -c -P 7 0 2M", "image");
    // All entries of the table become that of the one cluster.
    let mut image = bench.read("image");
    let l1 = usize::try_from(u64::from_be_bytes(image[40..48].try_into().unwrap())).unwrap();
    let l2 = u64::from_be_bytes(image[l1..l1 + 8].try_into().unwrap()) & 0x00ff_ffff_ffff_fe00;
    let l2 = usize::try_from(l2).unwrap();
    let entry: [u8; 8] = image[l2..l2 + 8].try_into().unwrap();
    for at in 0..1024 {
        image[l2 + at * 8..l2 + at * 8 + 8].copy_from_slice(&entry);
    }
    // As of an image that was not closed, whose refcounts say nothing.
    image[79] |= 1;
    bench.write("image", image);
    let outcome = bench.run("unpack --max-output 3G --in-place image /dev/full");
    assert!(
        outcome
            .stderr
            .contains("restore to 2 GiB of data or more; --max-output bounds that"),
        "{outcome:?}"
    );
    bench.fails(
        "unpack --max-output 1G image disk",
        1,
        "image: it restores to more than the 1073741824 bytes that --max-output allows",
    );
}
