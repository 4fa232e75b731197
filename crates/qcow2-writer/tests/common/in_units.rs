//! A disk whose allocation is known unit by unit.

use blockio::{Extent, ExtentKind, ReadAt};

use super::entries::Unit;
use ExtentKind::{Data, Zero};

/// A disk in units of some size.
#[derive(Clone, Debug)]
pub struct Disk {
    pub bytes: Vec<u8>,
    pub extents: Vec<Extent>,
    /// What must be said of each unit that is not compressed.
    pub units: Vec<Unit>,
    /// What the disk reads as.
    pub content: Vec<u8>,
}

impl Disk {
    /// Runs of a kind, a number of units, and the fill of their bytes; the last
    /// unit is cut by `cut` bytes.
    pub fn new(runs: &[(ExtentKind, usize, u8)], unit_bytes: usize, cut: usize) -> Self {
        let noise = super::noise(unit_bytes);
        let (mut bytes, mut content) = (Vec::new(), Vec::new());
        let (mut units, mut extents) = (Vec::new(), Vec::<Extent>::new());
        for &(kind, count, fill) in runs {
            let start = bytes.size();
            for _ in 0..count {
                let mut unit = vec![fill; unit_bytes];
                if fill % 3 == 1 {
                    unit.copy_from_slice(&noise);
                }
                // So that swapped units are noticed, and their ends are looked at.
                let number = u8::try_from(units.len() % 251).unwrap();
                unit[unit_bytes - 1 - cut.min(unit_bytes - 1)] = fill.wrapping_mul(number);
                let is_zeros = unit.iter().all(|byte| *byte == 0);
                units.push(match kind {
                    Data if !is_zeros => Unit::Data,
                    Data | Zero => Unit::Zeros,
                    _ => Unit::Unallocated,
                });
                bytes.extend_from_slice(&unit);
                let used = kind == Data;
                content.extend(unit.iter().map(|byte| if used { *byte } else { 0 }));
            }
            extents.push(Extent::new(start..bytes.size(), kind));
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        content.truncate(bytes.len());
        let last_unit = bytes.chunks(unit_bytes).next_back().unwrap_or_default();
        if last_unit.iter().all(|byte| *byte == 0) {
            let last = units.last_mut().filter(|unit| **unit == Unit::Data);
            last.into_iter().for_each(|unit| *unit = Unit::Zeros);
        }
        if let Some(last) = extents.last_mut() {
            *last = Extent::new(last.start..bytes.size(), last.kind);
        }
        Self {
            bytes,
            extents,
            units,
            content,
        }
    }

    /// Asserts that `image` says exactly this, in clusters of so many units.
    #[track_caller]
    pub fn is_said_by(&self, image: &[u8], cluster_units: usize, may_compress: bool) {
        let naive = super::expand(image);
        assert_eq!(naive.size, self.bytes.size());
        assert!(naive.disk[..self.content.len()] == self.content);
        let clusters = self.units.chunks(cluster_units);
        for (want, got) in clusters.zip(naive.units.chunks(cluster_units)) {
            let is_whole = !want.contains(&Unit::Unallocated) && want.contains(&Unit::Data);
            if may_compress && is_whole && got[0] == Unit::Compressed {
                assert!(got.iter().all(|unit| *unit == Unit::Compressed));
            } else {
                assert_eq!(want, got);
            }
        }
        assert_eq!(naive.units.len(), self.units.len());
    }
}
