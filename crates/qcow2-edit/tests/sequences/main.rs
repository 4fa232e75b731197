//! Random changes of ours and of qemu-img's on one image, held against a model.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bitmaps;
#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use blockio::len_u64;
use common::contents::{Contents, check};
use common::images::Workshop;
use fixtures::SplitMix;
use hostdisk::EditedFile;
use qcow2_edit::{Amendment, Changed, Editor, Error, NewSnapshot, Resize};
use qcow2_format::Version;

/// Sequences, and changes of each: as many as `QCOW2_TESTS` asks for.
const QUICK: (u64, u64) = (15, 10);
const LONG: (u64, u64) = (40, 25);
const FULL: (u64, u64) = (500, 25);

#[test]
fn changes_of_ours_and_of_qemu_img_mix() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let level = std::env::var("QCOW2_TESTS");
    let (sequences, changes) = match level.as_deref() {
        Ok("full") => FULL,
        Ok("long") => LONG,
        _ => QUICK,
    };
    for seed in 0..sequences {
        let mut sequence = Sequence::new(&workshop, seed);
        for _ in 0..changes {
            sequence.step();
        }
        sequence.judge();
    }
}

/// One image, what it should hold, and what was done to it.
struct Sequence<'w> {
    workshop: &'w Workshop,
    random: SplitMix,
    image: PathBuf,
    model: Contents,
    cluster_bytes: u64,
    is_v2: bool,
    done: String,
    names: u64,
}

impl<'w> Sequence<'w> {
    fn new(workshop: &'w Workshop, seed: u64) -> Self {
        let mut random = SplitMix::new(seed);
        let cluster_bytes = 512 << [0, 1, 3, 5, 7][in_memory(random.below(5))];
        let is_v2 = random.below(4) == 0;
        let mut options = format!("cluster_size={cluster_bytes}");
        if is_v2 {
            options += ",compat=0.10";
        } else {
            if cluster_bytes >= 16384 && random.below(2) == 0 {
                options += ",extended_l2=on";
            }
            if random.below(3) == 0 {
                options += ",lazy_refcounts=on";
            }
            if random.below(3) == 0 {
                options += ",compression_type=zstd";
            }
            if random.below(3) == 0 {
                options += ",refcount_bits=8";
            }
        }
        let size = 512 * (1 + random.below(3000));
        let image = workshop.path("sequence.qcow2");
        let create = format!("create -q -f qcow2 -o {options}");
        workshop.img(&create, &image, &size.to_string());
        let done = format!("seed {seed}: {create} {size}\n");
        Self {
            workshop,
            random,
            image,
            model: Contents {
                disk: vec![0; in_memory(size)],
                snapshots: Vec::new(),
                bitmaps: Vec::new(),
            },
            cluster_bytes,
            is_v2,
            done,
            names: 0,
        }
    }

    /// One change, and a look at what came of it.
    fn step(&mut self) {
        match self.random.below(8) {
            0..4 => self.write(),
            4 => self.snapshot(),
            5 => self.bitmap(),
            6 => self.resize(),
            _ => self.amend(),
        }
        let bytes = fs::read(&self.image).unwrap();
        let found = Contents::read(&bytes).unwrap_or_else(|error| panic!("{error}\n{}", self.done));
        if found != self.model {
            let at = found
                .disk
                .iter()
                .zip(&self.model.disk)
                .position(|(a, b)| a != b);
            panic!(
                "{found:?}\nis not\n{:?}\nfirst at {at:?}\n{}",
                self.model, self.done
            );
        }
        if let Err(wrong) = check(&bytes) {
            panic!("{wrong}\n{}", self.done);
        }
        let (code, errors) = self.workshop.check(&bytes);
        assert_eq!((code, errors), (Some(0), Vec::new()), "{}", self.done);
    }

    /// What QEMU reads.
    fn judge(&self) {
        let raw = self.workshop.path("sequence.raw");
        self.workshop.img(
            "convert -f qcow2 -O raw",
            &self.image,
            raw.to_str().unwrap(),
        );
        assert!(fs::read(&raw).unwrap() == self.model.disk, "{}", self.done);
    }

    fn note(&mut self, what: &str) {
        writeln!(self.done, "{what}").unwrap();
    }

    /// Does something with our library.
    fn ours(
        &mut self,
        what: &str,
        change: impl FnOnce(&Editor<EditedFile>) -> Result<Changed, Error>,
    ) {
        self.note(what);
        let editor = Editor::open(EditedFile::open(&self.image).unwrap()).unwrap();
        let changed = change(&editor);
        let changed = changed.unwrap_or_else(|error| panic!("{error:?}\n{}", self.done));
        assert!(changed.unfinished.is_none(), "{}", self.done);
    }

    /// Does something with qemu-img, which may refuse it.
    fn qemu(&mut self, before: &str, after: &str) -> bool {
        self.note(&format!("qemu-img {before} IMAGE {after}"));
        let image: &Path = &self.image;
        let done = self.workshop.img.run(|command| {
            command
                .args(before.split_whitespace())
                .arg(image)
                .args(after.split_whitespace())
        });
        let done = done.unwrap();
        if !done.success() {
            self.note(&format!("  refused: {}", done.stderr.trim()));
        }
        done.success()
    }

    /// What qemu did to the bits is right.
    fn learn_bits(&mut self) {
        let found = Contents::read(&fs::read(&self.image).unwrap());
        let found = found.unwrap_or_else(|error| panic!("{error}\n{}", self.done));
        for (known, found) in self.model.bitmaps.iter_mut().zip(found.bitmaps) {
            let is_same = (&known.0, known.1, known.2) == (&found.0, found.1, found.2);
            assert!(is_same, "{}", self.done);
            known.3 = found.3;
        }
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn write(&mut self) {
        let size = len_u64(self.model.disk.len());
        let clusters = size / self.cluster_bytes;
        let pattern = u8::try_from(1 + self.random.below(254)).unwrap();
        let kind = self.random.below(6);
        let (at, length, pattern, command) = if kind == 0 && clusters > 0 {
            let at = self.random.below(clusters) * self.cluster_bytes;
            (at, self.cluster_bytes, pattern, "write -c -P")
        } else {
            let at = self.random.below(size / 512) * 512;
            let most = (size - at) / 512;
            let length = 512 * (1 + self.random.below(most.min(200)));
            match kind {
                1 => (at, length, 0, "write -z -P"),
                2 => (at, length, 0, "write -z -u -P"),
                _ => (at, length, pattern, "write -P"),
            }
        };
        let command = match command.contains("-z") {
            true => format!("{} {at} {length}", command.trim_end_matches(" -P")),
            false => format!("{command} {pattern} {at} {length}"),
        };
        self.note(&format!("qemu-io {command}"));
        if command.contains("-c") {
            // QEMU compresses nothing over a cluster that is stored.
            let done = self
                .workshop
                .io
                .run(|io| io.args(["-f", "qcow2", "-c", &command]).arg(&self.image));
            if !done.unwrap().success() {
                self.note("  refused");
                // What was not written counts as changed, which does no harm.
                return self.learn_bits();
            }
        } else {
            self.workshop.io(&self.image, &[&command]);
        }
        self.model.disk[in_memory(at)..in_memory(at + length)].fill(pattern);
        self.learn_bits();
    }

    fn snapshot(&mut self) {
        let count = self.model.snapshots.len();
        let is_ours = self.random.below(2) == 0;
        let index = in_memory(self.random.below(len_u64(count.max(1))));
        match self.random.below(if count == 0 { 1 } else { 4 }) {
            0 | 1 => {
                let name = self.new_name();
                let new = (name.clone().into_bytes(), self.model.disk.clone());
                if is_ours {
                    self.ours(&format!("snapshot {name}"), |editor| {
                        editor.create_snapshot(&NewSnapshot::named(name.as_bytes()))
                    });
                    self.model.snapshots.push(new);
                } else if self.qemu(&format!("snapshot -c {name}"), "") {
                    self.model.snapshots.push(new);
                }
            }
            2 => {
                let (name, disk) = self.model.snapshots[index].clone();
                let shown = String::from_utf8(name.clone()).unwrap();
                if is_ours && self.model.bitmaps.is_empty() {
                    self.ours(&format!("apply {shown}"), |editor| {
                        editor.apply_snapshot(&name)
                    });
                    self.model.disk = disk;
                } else if self.qemu(&format!("snapshot -a {shown}"), "") {
                    self.model.disk = disk;
                }
            }
            _ => {
                let (name, _) = self.model.snapshots[index].clone();
                let shown = String::from_utf8(name.clone()).unwrap();
                if is_ours {
                    self.ours(&format!("delete {shown}"), |editor| {
                        editor.delete_snapshot(&name)
                    });
                    self.model.snapshots.remove(index);
                } else if self.qemu(&format!("snapshot -d {shown}"), "") {
                    self.model.snapshots.remove(index);
                }
            }
        }
        self.learn_bits();
    }

    fn resize(&mut self) {
        let size = match self.random.below(3) {
            0 => 512 * (1 + self.random.below(len_u64(self.model.disk.len()) / 512)),
            1 => len_u64(self.model.disk.len()) + 512 * self.random.below(50),
            _ => 512 * (1 + self.random.below(20_000)),
        };
        let is_shrunk = size < len_u64(self.model.disk.len());
        if self.random.below(2) == 0 {
            self.ours(&format!("resize to {size}"), |editor| {
                let mut wanted = Resize::to(size);
                wanted.shrink = is_shrunk;
                editor.resize(&wanted)
            });
            self.model.resize(in_memory(size));
        } else if !is_shrunk && self.qemu("resize -f qcow2", &size.to_string()) {
            self.model.resize(in_memory(size));
            self.learn_bits();
        }
    }

    fn amend(&mut self) {
        let is_ours = self.random.below(2) == 0;
        let can_change = self.model.bitmaps.is_empty()
            && !["extended", "zstd", "refcount_bits"]
                .iter()
                .any(|what| self.done.contains(what));
        if !self.is_v2 && !can_change {
            let lazy = self.random.below(2) == 0;
            if is_ours {
                return self.ours(&format!("lazy refcounts {lazy}"), |editor| {
                    let mut amendment = Amendment::default();
                    amendment.lazy_refcounts = Some(lazy);
                    editor.amend(&amendment)
                });
            }
            let lazy = if lazy { "on" } else { "off" };
            self.qemu(&format!("amend -f qcow2 -o lazy_refcounts={lazy}"), "");
            return;
        }
        let version = if self.is_v2 { Version::V3 } else { Version::V2 };
        // Of zeros in a snapshot qemu-img makes data that the disk takes for its own
        // (findings/qemu-img-amend-snapshot.sh).
        let is_wrong_there = version == Version::V2 && !self.model.snapshots.is_empty();
        if is_ours || is_wrong_there {
            self.ours(&format!("amend to {version:?}"), |editor| {
                let mut amendment = Amendment::default();
                amendment.version = Some(version);
                editor.amend(&amendment)
            });
            self.is_v2 = version == Version::V2;
        } else {
            let compat = if self.is_v2 { "1.1" } else { "0.10" };
            if self.qemu(&format!("amend -f qcow2 -o compat={compat}"), "") {
                self.is_v2 = version == Version::V2;
            }
        }
    }
}

fn in_memory(length: u64) -> usize {
    usize::try_from(length).unwrap()
}
