//! Random images: what QEMU makes of random writes, zeroes, discards, compressed
//! clusters, snapshots, resizes, overlays and more is read as QEMU reads it.
//!
//! `QCOW2_RANDOM_IMAGES` says how many, 30 where it is not set, and
//! `QCOW2_RANDOM_SEED` where to start. A recipe that fails is cut down to the steps
//! that it needs, and printed as commands for an empty folder. With 300 images or more,
//! every two properties of layers over each other have to be met. Needs `qemu-img` and
//! `qemu-io`; without them the test is skipped, unless the variable `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod check;
mod compare;
mod lists;
mod make;
mod options;
mod oracle;
mod pairs;
mod recipe;
mod tally;
mod tools;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

use make::Maker;
use recipe::Step;
use tally::Tally;
use tools::Tools;

/// Images from which on there is some of everything among them.
const ENOUGH: u64 = 30;

/// Images from which on every pair of properties is among them.
const ENOUGH_FOR_PAIRS: u64 = 300;

/// Recipes that are followed at a time.
const THREADS_MAX: usize = 4;

/// What is not as QEMU says, and how to make the image.
struct Fault {
    text: String,
    script: Vec<String>,
}

fn follow(tools: &Tools, steps: &[Step]) -> Result<Tally, Fault> {
    let folder = TempDir::new().unwrap();
    let mut maker = Maker::new(tools, folder.path());
    maker.follow(steps);
    let compared = panic::catch_unwind(AssertUnwindSafe(|| compare::compare(tools, &maker.chain)));
    let compared = compared.unwrap_or_else(|_| Err("a panic, see above".into()));
    compared.map_err(|text| Fault {
        text,
        script: maker.script,
    })
}

/// The steps that a fault needs, and what it is then.
fn cut_down(tools: &Tools, mut steps: Vec<Step>, mut fault: Fault) -> Fault {
    let mut is_done = false;
    while !is_done {
        is_done = true;
        for index in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(index);
            if let Err(still) = follow(tools, &fewer) {
                (steps, fault, is_done) = (fewer, still, false);
            }
        }
    }
    fault
}

/// Follows recipes up to the seed `end`, or up to one that fails.
fn follow_all(tools: &Tools, next: &AtomicU64, end: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(tally);
        }
        let steps = recipe::draw(seed);
        match follow(tools, &steps) {
            Ok(compared) => tally += compared,
            Err(fault) => {
                next.store(end, Ordering::Relaxed);
                let Fault { text, script } = cut_down(tools, steps, fault);
                return Err(format!("seed {seed}: {text}\n\n{}\n", script.join("\n")));
            }
        }
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn random_images_are_read_as_by_qemu() {
    let Some(tools) = Tools::require() else {
        return;
    };
    let count = number("QCOW2_RANDOM_IMAGES", ENOUGH);
    let first = number("QCOW2_RANDOM_SEED", 1);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let follow = || follow_all(&tools, &next, first + count);
        let all: Vec<_> = (0..threads.min(THREADS_MAX))
            .map(|_| scope.spawn(follow))
            .collect();
        for one in all {
            match one.join().unwrap() {
                Ok(compared) => tally += compared,
                Err(fault) => panic!("{fault}"),
            }
        }
    });
    println!("{}{tally:?}", tally.pairs);
    assert!(count < ENOUGH || tally.is_full(), "{tally:?}");
    let missing = tally.pairs.missing();
    assert!(
        count < ENOUGH_FOR_PAIRS || missing.is_empty(),
        "not met: {missing:#?}"
    );
}
