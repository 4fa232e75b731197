//! `qcow2 digest`: the digest of a disk.

use std::fmt::{self, Display};
use std::ops::ControlFlow;

use blockio::ReadAt;
use disk_compare::{BlockDigest, Error, Options, block_digest, sha256};
use serde::Serialize;

use crate::args::{AlgorithmArg, DigestArgs};
use crate::failure::{Failure, Outcome};
use crate::output::{self, SCHEMA};
use crate::progress::Progress;
use crate::source::steady::{Steady, SteadyOptions};
use crate::source::{self, Ask};
use crate::text::escaped;

/// The digest of a disk. `algorithm`, `block_size` and `checksum` are what oVirt calls them.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    command: &'static str,
    source: String,
    source_format: &'static str,
    disk_bytes: u64,
    /// How it is made: `blocks`, or `whole`.
    construction: &'static str,
    algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
    checksum: String,
    may_have_changed: bool,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}", self.checksum, escaped(self.source.as_bytes()))
    }
}

/// Prints the digest of a disk.
pub(crate) fn run(args: &DigestArgs) -> Result<Outcome, Failure> {
    if args.whole && args.algorithm == Some(AlgorithmArg::Blake2b) {
        let message = "--whole has no other algorithm than sha256";
        return Err(Failure::Usage(message.into()));
    }
    let ask = Ask {
        args: &args.reading,
        name: args.source_name(),
        salvage: None,
        has_base: false,
    };
    let how = SteadyOptions {
        ask,
        format: args.source_format,
        input: &args.input,
        quiet: args.run.quiet,
        allow_mounted: args.allow_mounted,
    };
    let source = Steady::open(&args.source, &how)?;
    let bar = Progress::new(&args.run, "digesting");
    let show = |progress: blockio::Progress| {
        bar.update(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    };
    let mut options = Options::default();
    options.threads = Some(args.run.threads());
    options.progress = Some(&show);
    let mut blocks = BlockDigest::default();
    blocks.block_bytes = args.block_size;
    blocks.algorithm = args.algorithm.map_or(blocks.algorithm, Into::into);
    let digest = match args.whole {
        true => sha256(&source, &source, &options),
        false => block_digest(&source, &source, blocks, &options),
    };
    drop(bar);
    let digest = digest.map_err(|error| match &error {
        Error::Found(inner) => source::failure(&ask, &**inner),
        error => Failure::about(ask.name, error),
    })?;
    let may_have_changed = source.check_unchanged()?;
    let report = Report {
        schema: SCHEMA,
        command: "digest",
        source: args.source.display().to_string(),
        source_format: source.disk.format(),
        disk_bytes: source.size(),
        construction: if args.whole { "whole" } else { "blocks" },
        algorithm: match args.whole {
            true => "sha256",
            false => blocks.algorithm.name(),
        },
        block_size: (!args.whole).then(|| args.block_size.get()),
        checksum: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        may_have_changed,
    };
    output::print(&report, args.run.output.output)?;
    Ok(match may_have_changed {
        true => Outcome::DoneWithNotes,
        false => Outcome::Done,
    })
}
