//! `qcow2 pack`: a disk or filesystem into an image.

mod report;
mod usage;

use std::path::Path;
use std::time::Instant;

use blockio::{
    Disk, Extent, ExtentKind, ReadAt, Spool, StreamTarget, Target, TargetOptions, WriteAt, in_use,
};
use ext_blocks::damage::Finding;
use ext_blocks::{Content, Damage, Detected, Filesystem, SuperblockAt, Tail, Trust};
use qcow2_reader::{Image, OpenOptions};
use qcow2_writer::{Compression, PackOptions, PackReport};

use crate::args::{ContentArg, PackArgs, TailArg};
use crate::commands::info::compat_name;
use crate::failure::{Failure, Outcome, STDOUT};
use crate::output;
use crate::progress::Progress;
use crate::verify::{self, VerifyError};
use report::{FilesystemReport, Report};

/// Packs a source into an image, proves it if asked to, and reports.
pub(crate) fn run(args: &PackArgs) -> Result<Outcome, Failure> {
    let compression = usage::check(args)?;
    let started = Instant::now();
    let disk = Disk::open(&args.source)?;
    let stamp = disk.stamp()?;
    let kept = Kept::decide(args, &disk)?;
    let job = Job {
        args,
        compression,
        disk: &disk,
        kept: &kept,
    };
    let check_unchanged = || {
        if disk.stamp()? == stamp {
            return Ok(());
        }
        let message = "the source changed while it was read";
        Err(Failure::because(&args.source, message))
    };

    let (packed, sha256) = if args.to_stdout() {
        let packed = job.pack_to_stdout()?;
        check_unchanged()?;
        (packed, None)
    } else {
        let target = Target::create(&args.image, &target_options(args, &disk))?;
        let packed = job.pack(&target)?;
        let sha256 = job.prove(&target)?;
        check_unchanged()?;
        target.commit()?;
        (packed, sha256)
    };

    let mut report = job.describe(packed);
    report.sha256 = sha256;
    report.seconds = started.elapsed().as_secs_f64();
    if !args.run.quiet {
        output::print(&report, args.run.output.output, args.to_stdout())?;
    }
    Ok(if report.has_notes() {
        Outcome::DoneWithNotes
    } else {
        Outcome::Done
    })
}

fn target_options(args: &PackArgs, disk: &Disk) -> TargetOptions {
    TargetOptions {
        force: args.force,
        sync: !args.no_sync,
        sources: vec![disk.identity()],
        head_bytes: args.cluster_size.bytes(),
        ..TargetOptions::default()
    }
}

/// What of a source is kept.
struct Kept<'d> {
    disk_bytes: u64,
    filesystem: Option<Filesystem<'d, Disk>>,
    /// Whether the filesystem decides, though it may decide to keep everything.
    by_filesystem: bool,
    /// Why everything is kept although less was asked for.
    kept_whole: Option<String>,
    /// A superblock left over from a filesystem that is no longer there.
    old_copy: Option<SuperblockAt>,
}

impl<'d> Kept<'d> {
    fn decide(args: &PackArgs, disk: &'d Disk) -> Result<Self, Failure> {
        let in_use = in_use::source_in_use(disk)?;
        if let Some(user) = &in_use
            && !args.allow_mounted
        {
            return Err(Failure::because(
                &args.source,
                format_args!(
                    "{user}; --allow-mounted packs all of it all the same, a snapshot is better"
                ),
            ));
        }
        let mut kept = Self {
            disk_bytes: disk.size(),
            filesystem: None,
            by_filesystem: false,
            kept_whole: in_use.map(|user| format!("{user}, so nothing is proven free")),
            old_copy: None,
        };
        if args.content == ContentArg::All {
            return Ok(kept);
        }
        let options = ext_blocks::Options {
            content: match args.content {
                ContentArg::Ext => Content::Ext,
                ContentArg::Used | ContentArg::All => Content::Probe,
            },
            keep_uninit: args.keep_uninit,
            tail: match args.tail {
                TailArg::Keep => Tail::Keep,
                TailArg::Drop => Tail::Drop,
            },
            superblock: None,
        };
        let detected = ext_blocks::detect(disk, &options)
            .map_err(|error| Failure::about(&args.source, &error))?;
        match detected {
            Detected::Ext(filesystem) => {
                kept.by_filesystem = kept.kept_whole.is_none();
                if let (Trust::Nothing(why), true) = (filesystem.trust(), kept.by_filesystem) {
                    kept.kept_whole = Some(why.to_string());
                }
                kept.filesystem = Some(filesystem);
            }
            Detected::Nothing { .. } if args.content == ContentArg::Ext => {
                return Err(Failure::because(
                    &args.source,
                    "there is no ext filesystem here",
                ));
            }
            Detected::Nothing { copy } => kept.old_copy = copy,
        }
        Ok(kept)
    }

    /// The disk as extents; the same each time.
    fn extents(&self) -> Extents<'_> {
        match &self.filesystem {
            Some(filesystem) if self.by_filesystem => Box::new(filesystem.used_extents()),
            _ => {
                let all = Extent::new(0..self.disk_bytes, ExtentKind::Data);
                Box::new((all.length > 0).then_some(Ok(all)).into_iter())
            }
        }
    }
}

type Extents<'e> = Box<dyn Iterator<Item = Result<Extent, ext_blocks::Error>> + Send + 'e>;

/// What is packed, and how.
struct Job<'a> {
    args: &'a PackArgs,
    compression: Option<Compression>,
    disk: &'a Disk,
    kept: &'a Kept<'a>,
}

impl Job<'_> {
    fn pack(&self, target: &Target) -> Result<PackReport, Failure> {
        self.with_options(|options| {
            qcow2_writer::pack(self.disk, || self.kept.extents(), target, options)
        })
    }

    /// Packs to the standard output, by way of a temporary file.
    fn pack_to_stdout(&self) -> Result<PackReport, Failure> {
        let spool =
            Spool::new().map_err(|error| Failure::Failed(format!("a temporary file: {error}")))?;
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        self.with_options(|options| {
            let extents = || self.kept.extents();
            qcow2_writer::pack_stream(self.disk, extents, &spool, &target, options)
        })
    }

    fn with_options(
        &self,
        pack: impl FnOnce(&PackOptions<'_>) -> Result<PackReport, qcow2_writer::Error>,
    ) -> Result<PackReport, Failure> {
        let args = self.args;
        let bar = Progress::new(&args.run, "packing");
        let show = |progress: qcow2_writer::Progress| {
            bar.update(progress.done_bytes, progress.total_bytes);
        };
        let options = PackOptions {
            cluster_bits: args.cluster_size,
            version: args.compat.into(),
            refcount_order: args.refcount_bits,
            compression: self.compression,
            reflink: args.reflink.into(),
            threads: args.run.threads(),
            progress: Some(&show),
            sync: !args.no_sync,
        };
        pack(&options).map_err(|error| Failure::about(blamed(args, &error), &error))
    }

    /// Reads the finished image back as `--verify` and `--digest` want it; the
    /// digest, if asked for.
    fn prove(&self, target: &Target) -> Result<Option<String>, Failure> {
        let args = self.args;
        if !args.verify && !args.digest {
            return Ok(None);
        }
        target
            .sync()
            .map_err(|error| Failure::about(&args.image, &error))?;
        let image = Image::open(target.uncached(), &OpenOptions::default())
            .map_err(|error| Failure::about(&args.image, &error))?;
        let blame = |error: VerifyError| match error {
            VerifyError::Source(_) => Failure::about(&args.source, &error),
            _ => Failure::about(&args.image, &error),
        };
        let disk_bytes = self.kept.disk_bytes;
        if args.verify {
            let bar = Progress::new(&args.run, "verifying");
            let uncached = self.disk.uncached();
            let extents = self.kept.extents();
            verify::verify(&uncached, extents, &image, args.run.threads(), |done| {
                bar.update(done, disk_bytes);
            })
            .map_err(blame)?;
        }
        if !args.digest {
            return Ok(None);
        }
        let bar = Progress::new(&args.run, "digesting");
        verify::sha256(&image, args.run.threads(), |done| {
            bar.update(done, disk_bytes);
        })
        .map(Some)
        .map_err(blame)
    }

    /// What is worth knowing of the filesystem besides its damage.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(filesystem) = &self.kept.filesystem
            && self.kept.by_filesystem
        {
            let unclean = filesystem.unclean();
            notes.extend(unclean.log.map(|log| format!("{log}; they are kept")));
            notes.extend(
                unclean
                    .state
                    .map(|state| format!("{state}; kept is also what any inode refers to")),
            );
        }
        notes
    }

    fn describe(&self, packed: PackReport) -> Report {
        let (args, kept) = (self.args, self.kept);
        let filesystem = kept.filesystem.as_ref();
        let damage = filesystem
            .filter(|_| kept.by_filesystem)
            .map(Filesystem::damage);
        let whole = filesystem.is_none() || kept.kept_whole.is_some();
        Report {
            schema: output::SCHEMA,
            command: "pack",
            source: args.source.display().to_string(),
            image: args.image.display().to_string(),
            asked_for_all: args.content == ContentArg::All,
            content: if whole { "all" } else { "used" },
            kept_whole: kept.kept_whole.clone(),
            notes: self.notes(),
            old_superblock: kept.old_copy.map(|at| at.offset()),
            filesystem: filesystem.map(|filesystem| FilesystemReport::new(filesystem.info())),
            disk_bytes: packed.disk_bytes,
            used_bytes: packed.used_bytes,
            stored_bytes: packed.stored_bytes,
            shared_bytes: packed.shared_bytes,
            image_bytes: packed.image_bytes,
            cluster_size: args.cluster_size.bytes(),
            compat: compat_name(args.compat.into()),
            refcount_bits: args.refcount_bits.bits(),
            compression: self.compression.map_or("none", |codec| codec.name()),
            codec: self.compression.map(|codec| codec.codec()),
            compressed_clusters: packed.compressed_clusters,
            damage: damage.map_or_else(Vec::new, |damage| {
                let line = |finding: &Finding| format!("{finding}: {}", finding.consequence());
                damage.findings().iter().map(line).collect()
            }),
            damage_count: damage.map_or(0, Damage::total),
            verified: args.verify,
            sha256: None,
            seconds: 0.0,
        }
    }
}

/// The file that `error` is about.
fn blamed<'a>(args: &'a PackArgs, error: &qcow2_writer::Error) -> &'a Path {
    use qcow2_writer::ErrorKind;
    match error.kind() {
        ErrorKind::Source => &args.source,
        _ if args.to_stdout() => Path::new(STDOUT),
        _ => &args.image,
    }
}
