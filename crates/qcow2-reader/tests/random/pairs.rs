//! Which properties of two layers over each other were met together.
//!
//! A fault may need two of them: subclusters above, and large compressed clusters below.
//! So every two are to be met, of the clusters' sizes, subclusters, compression and
//! lengths of both layers.

use std::collections::BTreeSet;
use std::fmt;

use crate::chain::{Chain, Layer};
use crate::oracle::Mapped;

const SIZES: [&str; 4] = [
    "clusters to 4K",
    "clusters to 64K",
    "clusters to 512K",
    "clusters to 2M",
];
const SUBCLUSTERS: [&str; 2] = ["no subclusters", "subclusters"];
const COMPRESSION: [&str; 3] = ["plain", "zlib", "zstd"];
const LENGTHS: [&str; 3] = ["is shorter", "is as long", "is longer"];

/// A property of one of two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Property {
    layer: &'static str,
    /// Those of a kind exclude each other.
    kind: u8,
    name: &'static str,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.layer, self.name)
    }
}

/// The pairs of properties that were met.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(BTreeSet<(Property, Property)>);

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.len().fmt(f)
    }
}

impl Pairs {
    /// Notes what every image with a backing image in the chain of `layer` has, by
    /// QEMU's map of it.
    pub(crate) fn note(&mut self, chain: &Chain, layer: usize, map: &[Mapped]) {
        let lineage: Vec<_> = chain.lineage(layer).collect();
        for (depth, two) in (0..).zip(lineage.windows(2)) {
            let [above, below] = two else { continue };
            if below.is_raw {
                continue;
            }
            let is_compressed = |depth| {
                let mut entries = map.iter();
                entries.any(|entry| entry.depth == depth && entry.is_compressed)
            };
            let mut both = of_layer("above", above, is_compressed(depth));
            both.extend(of_layer("below", below, is_compressed(depth + 1)));
            let order =
                usize::from(above.bytes >= below.bytes) + usize::from(above.bytes > below.bytes);
            both.push(length(LENGTHS[order]));
            for (index, first) in both.iter().enumerate() {
                self.0
                    .extend(both[index + 1..].iter().map(|second| (*first, *second)));
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Those that were not met, of all that there are.
    pub(crate) fn missing(&self) -> Vec<String> {
        let all = all_pairs();
        let missing = all.iter().filter(|pair| !self.0.contains(pair));
        missing
            .map(|(first, second)| format!("{first} with {second}"))
            .collect()
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pairs met: {} of {}", self.0.len(), all_pairs().len())?;
        for (first, second) in &self.0 {
            writeln!(f, "  {first} with {second}")?;
        }
        Ok(())
    }
}

fn length(name: &'static str) -> Property {
    Property {
        layer: "above",
        kind: 3,
        name,
    }
}

/// What a layer is, of which some clusters are compressed or none.
fn of_layer(layer: &'static str, what: &Layer, is_compressed: bool) -> Vec<Property> {
    let value = |name: &str| {
        let mut options = what.options.split(',');
        options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let cluster = value("cluster_size").unwrap_or("65536");
    let cluster: u64 = match cluster.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().unwrap() << 10,
        None => cluster.parse().unwrap(),
    };
    let size = [4 << 10, 64 << 10, 512 << 10, 2 << 20];
    let size = size.iter().position(|most| cluster <= *most).unwrap();
    let subclusters = usize::from(value("extended_l2") == Some("on"));
    let compression = match (is_compressed, value("compression_type")) {
        (false, _) => 0,
        (true, Some("zstd")) => 2,
        (true, _) => 1,
    };
    [
        (0, SIZES[size]),
        (1, SUBCLUSTERS[subclusters]),
        (2, COMPRESSION[compression]),
    ]
    .map(|(kind, name)| Property { layer, kind, name })
    .to_vec()
}

/// All pairs that there are.
fn all_pairs() -> BTreeSet<(Property, Property)> {
    let mut all = Vec::new();
    for layer in ["above", "below"] {
        for (kind, names) in (0..).zip([&SIZES[..], &SUBCLUSTERS, &COMPRESSION]) {
            all.extend(names.iter().map(|name| Property { layer, kind, name }));
        }
    }
    all.extend(LENGTHS.map(length));
    let mut pairs = BTreeSet::new();
    for (index, first) in all.iter().enumerate() {
        for second in &all[index + 1..] {
            let same = (first.layer, first.kind) == (second.layer, second.kind);
            // Subclusters have 512 bytes at least.
            let none = first.layer == second.layer
                && (first.name, second.name) == (SIZES[0], SUBCLUSTERS[1]);
            if !same && !none {
                pairs.insert((*first, *second));
            }
        }
    }
    pairs
}
