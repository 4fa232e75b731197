//! Disks made with the tools that people use, without being root: filesystems are made in
//! files, and put where the partitions are.

use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{E2fs, Tool, require};

use crate::bench::Bench;

pub(crate) const MIB: u64 = 1 << 20;

/// In a file that was deleted.
pub(crate) const DELETED: &[u8] = b"<what a deleted file had>";
/// In a file that is there.
pub(crate) const KEPT: &[u8] = b"<what a file still has>";
/// On the disk before anything was made on it.
pub(crate) const OLD: &[u8] = b"<what was there before>";

/// A partition to be.
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    pub(crate) is_fat: bool,
}

/// The disk of a machine, and the tools that read it.
pub(crate) struct Made {
    pub(crate) e2fs: E2fs,
    pub(crate) mcopy: Tool,
    pub(crate) slots: Vec<Slot>,
}

const fn slot(name: &'static str, kind: &'static str, start: u64, mib: u64) -> Slot {
    Slot {
        name,
        kind,
        start: start * MIB,
        bytes: mib * MIB,
        is_fat: false,
    }
}

/// How often `bytes` has `text`, which begins with `<` and has no other.
pub(crate) fn count(bytes: &[u8], text: &[u8]) -> usize {
    let pieces = bytes.split(|byte| *byte == b'<').skip(1);
    pieces.filter(|piece| piece.starts_with(&text[1..])).count()
}

/// `text` again and again, `bytes` bytes of it.
pub(crate) fn filled(text: &[u8], bytes: u64) -> Vec<u8> {
    let bytes = usize::try_from(bytes).unwrap();
    text.iter().copied().cycle().take(bytes).collect()
}

/// Copies the file `part` of `bench` to byte `at` of the file `disk`.
pub(crate) fn put(bench: &Bench, part: &str, disk: &str, at: u64) {
    let disk = OpenOptions::new()
        .write(true)
        .open(bench.path(disk))
        .unwrap();
    disk.write_all_at(&bench.read(part), at).unwrap();
}

impl Made {
    /// Makes the disk `name`: a GPT with an EFI partition, /boot, a root with the sources of
    /// this program, and swap; a file was deleted from each. `None` if a tool is missing.
    pub(crate) fn make(bench: &Bench, name: &str) -> Option<Self> {
        let [sgdisk, fat, mcopy, mdel, mkswap] =
            ["sgdisk", "mkfs.fat", "mcopy", "mdel", "mkswap"].map(require);
        let (sgdisk, fat, mcopy, mdel, mkswap) = (sgdisk?, fat?, mcopy?, mdel?, mkswap?);
        let e2fs = E2fs::require()?;
        let esp = Slot {
            is_fat: true,
            ..slot("esp", "FAT32", 1, 40)
        };
        let slots = vec![
            esp,
            slot("boot", "ext4", 41, 16),
            slot("root", "ext4", 57, 32),
            slot("swap", "swap", 89, 16),
        ];
        let mut disk = filled(OLD, 110 * MIB);
        for zero in [0..MIB, 105 * MIB..110 * MIB] {
            disk[usize::try_from(zero.start).unwrap()..usize::try_from(zero.end).unwrap()].fill(0);
        }
        bench.write(name, disk);
        bench.write("deleted", filled(DELETED, 300_000));
        bench.write("kept", filled(KEPT, 200_000));
        let path = bench.path(name);
        for (number, slot) in (1..).zip(&slots) {
            let (first, last) = (slot.start / 512, (slot.start + slot.bytes) / 512 - 1);
            let code = ["ef00", "8300", "8300", "8200"][number - 1];
            let words = [
                format!("--new={number}:{first}:{last}"),
                format!("--typecode={number}:{code}"),
                format!("--change-name={number}:{}", slot.name),
            ];
            sgdisk
                .ok(|command| command.args(&words).arg(&path))
                .unwrap();
        }
        let image = format!("{}@@{MIB}", path.display());
        fat.ok(|command| {
            let options = ["-F", "32", "-n", "ESP", "--offset", "2048"];
            command.args(options).arg(&path).arg("40960")
        })
        .unwrap();
        for file in ["deleted", "kept"] {
            let file = bench.path(file);
            mcopy
                .ok(|command| command.args(["-i", &image]).arg(file).arg("::/"))
                .unwrap();
        }
        mdel.ok(|command| command.args(["-i", &image, "::/deleted"]))
            .unwrap();
        let made = Self { e2fs, mcopy, slots };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        made.ext(bench, name, 1, &["-b", "1024", "-L", "BOOTFS"], None);
        made.ext(
            bench,
            name,
            2,
            &["-b", "4096", "-L", "rootfs"],
            Some(&sources),
        );
        let swap = made.window(bench, name, &made.slots[3]);
        mkswap
            .ok(|command| command.args(["-L", "swap-label"]).arg(bench.path(&swap)))
            .unwrap();
        put(bench, &swap, name, made.slots[3].start);
        Some(made)
    }

    /// Makes an ext4 in slot `index`, with the files below `sources`; one file is deleted.
    fn ext(&self, bench: &Bench, disk: &str, index: usize, how: &[&str], sources: Option<&Path>) {
        let slot = &self.slots[index];
        let window = self.window(bench, disk, slot);
        let mut options = vec!["-t", "ext4", "-E", "nodiscard"];
        options.extend(how);
        let sources = sources.map(|path| path.to_str().unwrap());
        options.extend(sources.iter().flat_map(|path| ["-d", *path]));
        let path = bench.path(&window);
        self.e2fs.make(&path, slot.bytes, &options).unwrap();
        let file = |name: &str| bench.path(name).display().to_string();
        let commands = [
            format!("write {} deleted", file("deleted")),
            format!("write {} kept", file("kept")),
            "rm deleted".into(),
        ];
        self.e2fs.debugfs(&path, &commands).unwrap();
        put(bench, &window, disk, slot.start);
    }

    /// Copies `slot` of the disk `name` to a file of its own; the name of that.
    pub(crate) fn window(&self, bench: &Bench, name: &str, slot: &Slot) -> String {
        let window = format!("{name}.{}.part", slot.name);
        let disk = fs::File::open(bench.path(name)).unwrap();
        let mut bytes = vec![0; usize::try_from(slot.bytes).unwrap()];
        disk.read_exact_at(&mut bytes, slot.start).unwrap();
        bench.write(&window, bytes);
        window
    }

    /// What is free on the disk `name`, as other programs and the documents see it.
    pub(crate) fn free(&self, bench: &Bench, name: &str) -> Vec<Range<u64>> {
        let mut free = Vec::new();
        for slot in &self.slots {
            let window = self.window(bench, name, slot);
            let own = match slot.kind {
                "ext4" => free_of_ext(&self.e2fs, bench, &window),
                "swap" => std::iter::once(4096..slot.bytes).collect(),
                _ => free_of_fat32(&bench.read(&window)),
            };
            let moved = own
                .iter()
                .map(|own| own.start + slot.start..own.end + slot.start);
            free.extend(moved);
        }
        free
    }
}

/// What dumpe2fs calls free in the file `window`.
pub(crate) fn free_of_ext(e2fs: &E2fs, bench: &Bench, window: &str) -> Vec<Range<u64>> {
    let usage = e2fs.usage(&bench.path(window)).unwrap().unwrap();
    usage.free
}

/// The clusters with an entry of 0 in the first FAT, by Microsoft's document.
fn free_of_fat32(bytes: &[u8]) -> Vec<Range<u64>> {
    let number = |at: usize, width: usize| {
        let bytes = &bytes[at..at + width];
        bytes
            .iter()
            .rev()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (sector, cluster) = (number(11, 2), number(11, 2) * number(13, 1));
    let fat = number(14, 2) * sector;
    let heap = fat + number(16, 1) * number(36, 4) * sector;
    let count = (number(32, 4) * sector - heap) / cluster;
    let mut free: Vec<Range<u64>> = Vec::new();
    for index in 0..count {
        let entry = usize::try_from(fat + 4 * (index + 2)).unwrap();
        if number(entry, 4) & 0x0fff_ffff != 0 {
            continue;
        }
        let range = heap + index * cluster..heap + (index + 1) * cluster;
        match free.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => free.push(range),
        }
    }
    free
}
