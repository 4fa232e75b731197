//! Whatever is written over a filesystem, no name is shown, and it ends.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use blockio::ExtentKind;
use ext_blocks::{Detected, Options, detect};
use fixtures::E2fs;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::made::{Made, SECRETS, holds, scramble};

/// Longest that one filesystem may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Filesystems to damage, each with the ranges of its metadata.
fn victims() -> Option<&'static [(Vec<u8>, Vec<usize>)]> {
    static VICTIMS: OnceLock<Vec<(Vec<u8>, Vec<usize>)>> = OnceLock::new();
    let e2fs = E2fs::require()?;
    let victims = VICTIMS.get_or_init(|| {
        let options = [
            &["-t", "ext4", "-b", "1024", "-N", "512"][..],
            &["-t", "ext3", "-b", "1024", "-N", "512"],
            &["-t", "ext4", "-b", "4096", "-O", "inline_data,ea_inode"],
        ];
        let victim = |options: &&[&str]| {
            let disk = Made::with_tree(&e2fs, options, 120).bytes();
            let places = places(&disk);
            (disk, places)
        };
        options.iter().map(victim).collect()
    });
    Some(victims)
}

/// Where metadata is that is not all zeros, every four bytes.
fn places(disk: &[u8]) -> Vec<usize> {
    let bytes = disk.to_vec();
    let Detected::Ext(filesystem) = detect(&bytes, &Options::default()).unwrap() else {
        panic!("no filesystem");
    };
    let metadata = filesystem.metadata().unwrap();
    let extents = metadata.used_extents();
    let data = extents.filter(|extent| extent.kind == ExtentKind::Data);
    let ranges = data.map(|e| usize::try_from(e.start).unwrap()..usize::try_from(e.end()).unwrap());
    ranges
        .flat_map(|range| range.step_by(4))
        .filter(|at| disk[*at..*at + 4] != [0; 4])
        .collect()
}

/// A value that means something somewhere.
fn value() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0u32..64,
        (0u32..32).prop_map(|bit| 1 << bit),
        (0u32..40_000),
        Just(u32::MAX),
        Just(0x0000_f30a),
        Just(0x4000_81a4),
    ]
}

/// Something that happens to a filesystem.
#[derive(Clone, Debug)]
enum Damage {
    /// A few bytes change.
    Value(prop::sample::Index, u32, usize),
    /// A block is written over another one.
    Misplaced(prop::sample::Index, prop::sample::Index),
}

impl Damage {
    fn happen(&self, disk: &mut [u8], places: &[usize]) {
        let place = |index: &prop::sample::Index| places[index.index(places.len())];
        match self {
            Self::Value(at, value, length) => {
                let at = place(at);
                disk[at..at + length].copy_from_slice(&value.to_le_bytes()[..*length]);
            }
            Self::Misplaced(from, to) => {
                let [from, to] = [from, to].map(|at| place(at) / 1024 * 1024);
                disk.copy_within(from..from + 1024, to);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        6 => (place(), value(), 1usize..=4).prop_map(|(at, value, length)| {
            Damage::Value(at, value, length)
        }),
        1 => (place(), place()).prop_map(|(from, to)| Damage::Misplaced(from, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_name_is_shown_whatever_is_damaged(
        victim in 0usize..3,
        damage in vec(damage(), 1..24),
    ) {
        let Some(victims) = victims() else { return Ok(()) };
        let (disk, places) = &victims[victim];
        let mut disk = disk.clone();
        for damage in damage {
            damage.happen(&mut disk, places);
        }
        let start = Instant::now();
        if let Some(shown) = scramble(&disk, 1) {
            prop_assert!(!holds(&shown.bytes, &SECRETS), "{:?}", shown.report);
        }
        prop_assert!(start.elapsed() < PATIENCE);
    }
}
