//! Where a job is done, by whom, on what form of image.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use fixtures::Tool;

use super::figures::Goal;
use super::job::{Check, Contender, Job};
use super::tools::{Line, Tools};

/// Memory of a job, but for what its threads compress.
const PEAK_BYTES: u64 = 64 << 20;
/// Clusters more in memory for each thread of a job that compresses.
const CLUSTERS_PER_THREAD: u64 = 4;
const CLUSTER_BYTES: u64 = 64 << 10;

/// Where jobs are done.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Said behind the name of the job; may be empty.
    pub(super) name: String,
    /// Where outputs go.
    pub(super) folder: PathBuf,
    /// The disk, and the same without what nobody uses.
    pub(super) source: PathBuf,
    pub(super) used: PathBuf,
    /// Not in memory: all sync what they write. Ours does anyway.
    pub(super) on_disk: bool,
}

/// What the clusters of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Zlib,
    Zstd,
}

impl Form {
    /// The word in names, and behind our `--compress`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// The arguments of our `pack`.
    pub(super) fn pack(self) -> String {
        match self {
            Self::Plain => "pack --quiet".into(),
            Self::Zlib | Self::Zstd => format!("pack --quiet -c {}", self.word()),
        }
    }

    /// What a job may take in memory.
    pub(super) fn memory(self) -> Goal {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let clusters = u64::try_from(threads).unwrap_or(u64::MAX) * CLUSTERS_PER_THREAD;
        Goal::Memory(match self {
            Self::Plain => PEAK_BYTES,
            Self::Zlib | Self::Zstd => PEAK_BYTES + clusters * CLUSTER_BYTES,
        })
    }
}

impl Place {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn job(&self, what: &str, format: &'static str, contenders: Vec<Contender>) -> Job {
        Job {
            name: format!("{what}{}", self.name),
            needs: Vec::new(),
            contenders,
            check: Check {
                format,
                content: Some(self.used.clone()),
                content_format: "raw",
            },
            on_disk: self.on_disk,
        }
    }

    /// Somebody else who makes `output` of `input`.
    pub(super) fn peer(
        &self,
        name: &str,
        tool: Option<&Tool>,
        arguments: &str,
        [input, output]: [&Path; 2],
    ) -> Contender {
        let line = tool.map(|tool| Line::new(tool, arguments, &[input, output]));
        self.contender(name, line, [input, output])
    }

    pub(super) fn contender(
        &self,
        name: &str,
        line: Option<Line>,
        [input, output]: [&Path; 2],
    ) -> Contender {
        let sync = |line: Line| {
            if self.on_disk {
                line.synced(output)
            } else {
                line
            }
        };
        Contender {
            name: name.into(),
            line: line.map(sync),
            input: input.into(),
            output: output.into(),
            before: None,
            goals: Vec::new(),
            once: false,
        }
    }
}

impl Contender {
    pub(super) fn ours(
        tools: &Tools,
        arguments: &str,
        [input, output]: [&Path; 2],
        memory: Goal,
    ) -> Self {
        Self {
            name: format!("qcow2 {}", arguments.replace(" --quiet", "")),
            line: Some(Line::new(&tools.ours, arguments, &[input, output])),
            input: input.into(),
            output: output.into(),
            before: None,
            goals: vec![memory],
            once: false,
        }
    }

    pub(super) fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    pub(super) fn after(self, before: Option<Line>) -> Self {
        Self { before, ..self }
    }

    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }
}
