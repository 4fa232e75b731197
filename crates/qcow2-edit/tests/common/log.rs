//! Storage that remembers what was written to it, and fails where it is told to.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use blockio::{MemoryDisk, ReadAt, WriteAt, len_u64};
use fixtures::SplitMix;

/// A change of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write(u64, Vec<u8>),
    Zero(u64, u64),
    Size(u64),
    Sync,
}

impl Step {
    fn apply(&self, disk: &MemoryDisk) {
        let done = match self {
            Self::Write(at, bytes) => disk.write_at(*at, bytes),
            Self::Zero(at, length) => disk.write_zeroes(*at, *length),
            Self::Size(size) => disk.set_size(*size),
            Self::Sync => Ok(()),
        };
        done.unwrap();
    }
}

/// Storage that remembers the changes.
pub(crate) struct Log {
    disk: MemoryDisk,
    steps: Mutex<Vec<Step>>,
    fails_at: Option<usize>,
}

impl Log {
    pub(crate) fn new(image: &[u8]) -> Self {
        Self {
            disk: MemoryDisk::new(image.to_vec()),
            steps: Mutex::default(),
            fails_at: None,
        }
    }

    /// The change with this number fails.
    pub(crate) fn failing_at(image: &[u8], step: usize) -> Self {
        Self {
            fails_at: Some(step),
            ..Self::new(image)
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<Step>) {
        (self.disk.into_bytes(), self.steps.into_inner().unwrap())
    }

    fn step(&self, step: &Step) -> io::Result<()> {
        let mut steps = self.steps.lock().unwrap();
        let fails = self.fails_at == Some(steps.len());
        steps.push(step.clone());
        if fails {
            return Err(io::Error::other("injected"));
        }
        step.apply(&self.disk);
        Ok(())
    }
}

impl ReadAt for Log {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl WriteAt for Log {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(&Step::Write(offset, bytes.to_vec()))
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.step(&Step::Zero(offset, length))
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.step(&Step::Size(size))
    }
    fn starts_zeroed(&self) -> bool {
        false
    }
    fn sync(&self) -> io::Result<()> {
        self.step(&Step::Sync)
    }
}

/// The states in which a loss of power may leave `image` while `steps` are done: after
/// each step, with any of those since the last sync lost. Each is shown once.
pub(crate) fn crashes(image: &[u8], steps: &[Step], mut visit: impl FnMut(&str, Vec<u8>)) {
    let mut random = SplitMix::new(len_u64(steps.len()));
    let mut seen = BTreeSet::new();
    for end in 0..=steps.len() {
        let synced = steps[..end].iter().rposition(|step| *step == Step::Sync);
        let synced = synced.map_or(0, |at| at + 1);
        let loose = end - synced;
        let mut choices = vec![("all", vec![true; loose])];
        if loose > 1 {
            choices.push((
                "only the last",
                (0..loose).map(|at| at + 1 == loose).collect(),
            ));
            choices.push(("all but the first", (0..loose).map(|at| at > 0).collect()));
            for _ in 0..2 {
                let any = (0..loose).map(|_| random.below(2) == 0).collect();
                choices.push(("some", any));
            }
        }
        for (what, chosen) in choices {
            let disk = MemoryDisk::new(image.to_vec());
            steps[..synced].iter().for_each(|step| step.apply(&disk));
            let loose = steps[synced..end].iter().zip(&chosen);
            loose
                .filter(|(_, chosen)| **chosen)
                .for_each(|(step, _)| step.apply(&disk));
            let bytes = disk.into_bytes();
            if seen.insert(bytes.clone()) {
                visit(
                    &format!("{what} of {synced}..{end} of {}", steps.len()),
                    bytes,
                );
            }
        }
    }
}
