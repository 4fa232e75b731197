//! L2 entries, by literal masks.

use std::ops::Range;

use super::compressed;

/// What is said of a unit: a subcluster with extended L2 entries, else a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Unallocated,
    Zeros,
    Data,
    Compressed,
}

/// What an L2 entry says of a guest cluster.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) units: Vec<Unit>,
    /// The bytes of the cluster, if it is stored.
    pub(super) content: Option<Vec<u8>>,
    /// Where they are in the image.
    pub(super) host: Range<usize>,
    pub(super) is_stream: bool,
}

/// How L2 entries look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) cluster: usize,
    pub(super) extended: bool,
}

impl Shape {
    /// Bit 4 of the incompatible features says whether entries are extended.
    pub(super) fn of(image: &[u8]) -> Self {
        let is_v3 = super::u32_at(image, 4) == 3;
        let shape = Self {
            cluster: 1 << super::u32_at(image, 20),
            extended: is_v3 && super::u64_at(image, 72) & 16 != 0,
        };
        assert!(!shape.extended || shape.cluster >= 16 << 10);
        shape
    }

    pub(super) fn entry_bytes(self) -> usize {
        if self.extended { 16 } else { 8 }
    }

    pub(super) fn l2_entries(self) -> usize {
        self.cluster / self.entry_bytes()
    }

    pub(super) fn units(self) -> usize {
        if self.extended { 32 } else { 1 }
    }

    /// The entry at `at`. Subclusters without data hold zeros.
    pub(super) fn entry(self, image: &[u8], at: usize, zstd: bool) -> Entry {
        if let Some(sectors) = compressed::sectors(super::u64_at(image, at), self.cluster) {
            assert!(!self.extended || super::u64_at(image, at + 8) == 0);
            let (content, host) = compressed::decode(image, sectors, self.cluster, zstd);
            return Entry {
                units: vec![Unit::Compressed; self.units()],
                content: Some(content),
                host,
                is_stream: true,
            };
        }
        let (host, units) = self.cluster_at(image, at);
        let host = host.map(|host| host..host + self.cluster);
        let content = host.clone().map(|host| image[host].to_vec());
        if let Some(content) = &content {
            for (bytes, unit) in content.chunks(self.cluster / self.units()).zip(&units) {
                assert!(*unit == Unit::Data || bytes.iter().all(|byte| *byte == 0));
            }
        }
        let host = host.unwrap_or_default();
        assert_eq!(host.start % self.cluster, 0);
        Entry {
            units,
            content,
            host,
            is_stream: false,
        }
    }

    /// Host cluster and units of the entry at `at`, which is not of a stream.
    fn cluster_at(self, image: &[u8], at: usize) -> (Option<usize>, Vec<Unit>) {
        let raw = super::u64_at(image, at);
        if !self.extended {
            return match raw {
                1 => (None, vec![Unit::Zeros]),
                0 => (None, vec![Unit::Unallocated]),
                _ => (super::host(raw), vec![Unit::Data]),
            };
        }
        let (host, bitmap) = (super::host(raw), super::u64_at(image, at + 8));
        assert_eq!(host.is_some(), bitmap & 0xffff_ffff != 0);
        let unit = |index: u32| match (bitmap >> index & 1, bitmap >> (index + 32) & 1) {
            (0, 0) => Unit::Unallocated,
            (0, 1) => Unit::Zeros,
            (1, 0) => Unit::Data,
            _ => panic!("both bits of a subcluster"),
        };
        (host, (0..32).map(unit).collect())
    }
}
