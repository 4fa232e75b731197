//! A filesystem that changes, kept as one image and increments over it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use fixtures::{Difference, E2fs, Qemu, SplitMix, compare, number};

use crate::bench::Bench;

const GENERATIONS: usize = 20;
const SIZE_BYTES: u64 = 24 << 20;
const CLUSTER_BYTES: usize = 64 << 10;

/// Files on the filesystem, changed at random.
struct Tree<'e> {
    e2fs: &'e E2fs,
    random: SplitMix,
    /// Their numbers.
    files: VecDeque<u64>,
    next: u64,
}

impl Tree<'_> {
    /// Adds some files, and deletes some others.
    fn change(&mut self, bench: &Bench) {
        let mut commands = Vec::new();
        while self.files.len() > 12 {
            let nth = usize::try_from(self.random.below(12)).unwrap();
            let name = self.files.remove(nth).unwrap();
            commands.push(format!("rm f{name}"));
        }
        for _ in 0..1 + self.random.below(5) {
            let length = usize::try_from(1 + self.random.below(700_000)).unwrap();
            let mut bytes = self.random.bytes(length);
            // Holes, and zeros that are no holes.
            bytes[length / 2..length / 2 + length / 8].fill(0);
            let name = self.next;
            self.next += 1;
            bench.write(&format!("f{name}"), bytes);
            let path = bench.path(&format!("f{name}"));
            commands.push(format!("write {} f{name}", path.display()));
            self.files.push_back(name);
        }
        self.e2fs.debugfs(&bench.path("disk"), &commands).unwrap();
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Bytes of `new` in clusters that differ from `old`, and are not zeros.
fn changed_bytes(old: &[u8], new: &[u8]) -> usize {
    let pairs = old.chunks(CLUSTER_BYTES).zip(new.chunks(CLUSTER_BYTES));
    pairs
        .filter(|(old, new)| old != new && new.iter().any(|byte| *byte != 0))
        .map(|(_, new)| new.len())
        .sum()
}

#[test]
fn twenty_generations_are_restored_from_their_increments() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(1).bytes(24 << 20));
    let options = ["-t", "ext4", "-b", "4096"];
    e2fs.make(&bench.path("disk"), SIZE_BYTES, &options)
        .unwrap();
    let mut tree = Tree {
        e2fs: &e2fs,
        random: SplitMix::new(2),
        files: VecDeque::new(),
        next: 0,
    };
    let mut hashes = Vec::new();
    let mut before = Vec::new();
    for generation in 0..GENERATIONS {
        tree.change(&bench);
        let base = match generation.checked_sub(1) {
            None => String::new(),
            // By its digests, and by its bytes.
            Some(last) if last % 2 == 0 => {
                format!("--references beside --base g{last} --index i{last}")
            }
            Some(last) => format!("--references beside --base g{last}"),
        };
        let report = bench.ok(&format!(
            "pack --verify --output json --write-index i{generation} {base} disk g{generation}"
        ));
        bench.ok(&format!(
            "unpack --force --references beside g{generation} restored"
        ));
        let usage = e2fs.usage(&bench.path("disk")).unwrap();
        let difference =
            compare(&bench.path("disk"), &bench.path("restored"), usage.as_ref()).unwrap();
        assert_eq!(difference, Difference::default(), "{generation}");
        let restored = bench.read("restored");
        if generation > 0 {
            let changed = changed_bytes(&before, &restored);
            assert_eq!(
                number(&report, "changed_bytes"),
                u64::try_from(changed).ok()
            );
            let image = bench.read(&format!("g{generation}")).len();
            assert!(image >= changed, "{generation}: {image} of {changed}");
            assert!(
                image <= changed + changed / 20 + (1 << 20),
                "{generation}: {image} of {changed}"
            );
        }
        hashes.push(hash(&restored));
        before = restored;
    }
    let qemu = Qemu::require();
    for (generation, wanted) in hashes.iter().enumerate() {
        let image = format!("g{generation}");
        bench.ok(&format!(
            "unpack --force --references beside {image} restored"
        ));
        assert_eq!(hash(&bench.read("restored")), *wanted, "{image}");
        if let Some(qemu) = &qemu {
            let check = qemu.check(&bench.path(&image)).unwrap();
            assert!(check.success(), "{image}: {check:?}");
        }
    }
    if qemu.is_some() {
        let last = GENERATIONS - 1;
        bench.qemu_img(&format!("convert -f qcow2 -O raw g{last} converted"));
        assert!(bench.read("converted") == before);
    }
}
