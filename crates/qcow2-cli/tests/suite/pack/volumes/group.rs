//! Volume groups of LVM2, made by its tools on parts of a file. They need root for loop
//! devices, and nothing of the kernel besides: volumes are not activated, but read and
//! written by the extents that `lvs` lists.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use fixtures::{Tool, require};

use crate::bench::Bench;
use crate::mounts::Loop;

pub(super) const MIB: u64 = 1 << 20;

/// A disk with partitions of one length, in a folder of its own.
pub(super) struct Disk {
    pub(super) bench: Bench,
    pub(super) lvm: Tool,
    pub(super) parts: usize,
    part_bytes: u64,
}

/// Loop devices over the partitions of a disk; gone when they are dropped.
pub(super) struct Attached<'d> {
    disk: &'d Disk,
    pub(super) loops: Vec<Loop>,
}

/// Bytes in a row of a volume: how many, and where they begin on the disk for each stripe.
struct Run {
    bytes: u64,
    stripe_bytes: u64,
    places: Vec<u64>,
}

impl Disk {
    /// A disk of `parts` partitions of `mib` MiB, which holds old bytes everywhere. `None`,
    /// after saying so, if tools are missing.
    pub(super) fn new(parts: usize, mib: u64) -> Option<Self> {
        let (lvm, sgdisk) = (require("lvm")?, require("sgdisk")?);
        let bench = Bench::new();
        let disk = Self {
            bench,
            lvm,
            parts,
            part_bytes: mib * MIB,
        };
        let bytes = disk.start(parts) + MIB;
        let file = File::create(disk.bench.path("disk")).unwrap();
        let old = super::filled(super::OLD, MIB);
        for at in 0..bytes / MIB {
            file.write_all_at(&old, at * MIB).unwrap();
        }
        let path = disk.bench.path("disk");
        let make = |words: &str| {
            let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
            sgdisk.ok(|command| command.args(words).arg(&path)).unwrap();
        };
        make("-Z");
        for number in 1..=parts {
            make(&format!("-n {number}:0:+{mib}M -t {number}:8e00"));
        }
        fs::create_dir(disk.bench.path("etc")).unwrap();
        Some(disk)
    }

    /// Where the partition with this place begins.
    pub(super) fn start(&self, place: usize) -> u64 {
        MIB + self.part_bytes * u64::try_from(place).unwrap()
    }

    /// Attaches the partitions of the file `name`, which is the disk or one that was made of
    /// it.
    pub(super) fn attach(&self, name: &str) -> Option<Attached<'_>> {
        let path = self.bench.path(name);
        let parts =
            (0..self.parts).map(|part| Loop::part_of(&path, self.start(part), self.part_bytes));
        self.attached(parts.collect::<Option<_>>()?)
    }

    /// Attaches all of the file `name`.
    pub(super) fn attach_whole(&self, name: &str) -> Option<Attached<'_>> {
        self.attached(vec![Loop::over(&self.bench.path(name))?])
    }

    /// Lets the tools see these devices and no others.
    fn attached(&self, loops: Vec<Loop>) -> Option<Attached<'_>> {
        let names = loops.iter().map(|one| format!("\"a|^{}$|\", ", one.device));
        let names: String = names.collect();
        let lock = self.bench.path("lock");
        let config = format!(
            "devices {{ filter=[{names}\"r|.*|\"] use_devicesfile=0 \
             obtain_device_list_from_udev=0 }}\nglobal {{ locking_dir=\"{}\" }}\n\
             activation {{ udev_sync=0 udev_rules=0 monitoring=0 }}\n\
             backup {{ backup=0 archive=0 }}\n",
            lock.display()
        );
        fs::write(self.bench.path("etc/lvm.conf"), config).unwrap();
        Some(Attached { disk: self, loops })
    }
}

impl Attached<'_> {
    /// Runs lvm with the words of `arguments`, in which `@1` is the first partition.
    #[track_caller]
    pub(super) fn lvm(&self, arguments: &str) -> String {
        let disk = self.disk;
        let words = arguments.split_whitespace().map(|word| {
            let place = word.strip_prefix('@').and_then(|word| word.parse().ok());
            let device = place.and_then(|place: usize| self.loops.get(place - 1));
            device.map_or(word.to_owned(), |device| device.device.clone())
        });
        let words: Vec<_> = words.collect();
        let run = disk.lvm.ok(|command| {
            command
                .args(words)
                .args(["--driverloaded", "n"])
                .env("LVM_SYSTEM_DIR", disk.bench.path("etc"))
                .env("LVM_SUPPRESS_FD_WARNINGS", "1")
        });
        run.unwrap()
    }

    /// Makes a volume without activating it.
    pub(super) fn create(&self, arguments: &str) {
        self.lvm(&format!("lvcreate -an -Zn -Wn {arguments}"));
    }

    /// Where the bytes of a volume lie, as `lvs` tells.
    fn runs(&self, volume: &str) -> Vec<Run> {
        let list = self.lvm(&format!(
            "lvs --noheadings --units b --nosuffix --segments -o \
             seg_size,stripe_size,seg_pe_ranges,vg_extent_size {volume}"
        ));
        let starts = self.lvm("pvs --noheadings --units b --nosuffix -o pv_name,pe_start");
        let start = |device: &str| {
            let mut lines = starts.lines().map(str::split_whitespace);
            let line = lines.find(|line| line.clone().next() == Some(device));
            line.unwrap().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let runs = list.lines().map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [bytes, stripe, .., unit] = words.as_slice() else {
                panic!("{line}");
            };
            let unit: u64 = unit.parse().unwrap();
            let places = words[2..words.len() - 1].iter().map(|range| {
                let (device, extents) = range.rsplit_once(':').unwrap();
                let first: u64 = extents.split('-').next().unwrap().parse().unwrap();
                let part = self.loops.iter().position(|one| one.device == device);
                self.disk.start(part.unwrap()) + start(device) + first * unit
            });
            Run {
                bytes: bytes.parse().unwrap(),
                stripe_bytes: stripe.parse().unwrap(),
                places: places.collect(),
            }
        });
        runs.collect()
    }

    /// Pieces of a volume: its bytes, and where they are on the disk.
    fn pieces(&self, volume: &str) -> Vec<(u64, u64, usize)> {
        let (mut pieces, mut at) = (Vec::new(), 0);
        for run in self.runs(volume) {
            let count = u64::try_from(run.places.len()).unwrap();
            let chunk = match run.stripe_bytes {
                0 => run.bytes,
                bytes => bytes,
            };
            for index in 0..run.bytes / chunk {
                let place = run.places[usize::try_from(index % count).unwrap()];
                let length = usize::try_from(chunk).unwrap();
                pieces.push((at + index * chunk, place + index / count * chunk, length));
            }
            at += run.bytes;
        }
        pieces
    }

    /// Writes the file `from` into a volume of the disk called `name`.
    pub(super) fn write(&self, name: &str, volume: &str, from: &str) {
        let bench = &self.disk.bench;
        let bytes = bench.read(from);
        let disk = OpenOptions::new().write(true).open(bench.path(name));
        let disk = disk.unwrap();
        for (at, place, length) in self.pieces(volume) {
            let start = usize::try_from(at).unwrap().min(bytes.len());
            let end = (start + length).min(bytes.len());
            disk.write_all_at(&bytes[start..end], place).unwrap();
        }
    }

    /// Reads a volume of the disk called `name` into the file `to`.
    pub(super) fn read(&self, name: &str, volume: &str, to: &str) {
        let bench = &self.disk.bench;
        let disk = File::open(bench.path(name)).unwrap();
        let mut bytes = Vec::new();
        for (at, place, length) in self.pieces(volume) {
            assert_eq!(usize::try_from(at).unwrap(), bytes.len());
            let mut piece = vec![0; length];
            disk.read_exact_at(&mut piece, place).unwrap();
            bytes.extend(piece);
        }
        bench.write(to, bytes);
    }
}
