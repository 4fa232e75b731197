//! What was compared: a generator whose steps QEMU refuses would prove nothing.

use std::ops::AddAssign;

use crate::chain::Chain;
use crate::oracle::Mapped;
use crate::pairs::Pairs;

/// How many of the images compared had what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) images: u64,
    pub(crate) overlays: u64,
    pub(crate) encrypted: u64,
    pub(crate) with_data_file: u64,
    pub(crate) on_raw: u64,
    pub(crate) streamed: u64,
    pub(crate) snapshots: u64,
    pub(crate) bitmaps: u64,
    pub(crate) pairs: Pairs,
}

impl Tally {
    /// Notes an image that was opened, with QEMU's map of it.
    pub(crate) fn note(&mut self, chain: &Chain, layer: usize, map: &[Mapped]) {
        self.pairs.note(chain, layer, map);
        let any = |is: fn(&crate::chain::Layer) -> bool| u64::from(chain.lineage(layer).any(is));
        self.images += 1;
        self.overlays += any(|layer| layer.backing.is_some());
        self.encrypted += any(|layer| layer.is_encrypted);
        self.with_data_file += any(|layer| layer.has_data_file);
        self.on_raw += any(|layer| layer.is_raw);
    }

    /// Whether there was some of everything.
    pub(crate) fn is_full(&self) -> bool {
        let counts = [
            self.images,
            self.overlays,
            self.encrypted,
            self.with_data_file,
            self.on_raw,
            self.streamed,
            self.snapshots,
            self.bitmaps,
        ];
        counts.iter().all(|count| *count > 0)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.images += other.images;
        self.overlays += other.overlays;
        self.encrypted += other.encrypted;
        self.with_data_file += other.with_data_file;
        self.on_raw += other.on_raw;
        self.streamed += other.streamed;
        self.snapshots += other.snapshots;
        self.bitmaps += other.bitmaps;
        self.pairs.add(other.pairs);
    }
}
