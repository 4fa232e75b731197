//! One image: packed, proven if asked to, and reported.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use blockio::{Extents, ReadAt, Tiling};
use disk_layout::Disk as Layout;
use ext_scramble::Scrambled;
use hostdisk::{Disk, StreamTarget, Target, TargetOptions};
use qcow2_writer::{Compression, PackOptions, PackReport};

use super::recover::{self, Below};
use super::report::Report;
use super::scrambled::ScrambledReport;
use super::shape::Shape;
use super::source::Source;
use crate::args::{ContentArg, PackArgs};
use crate::commands::info::compat_name;
use crate::failure::{Causes, Failure, Outcome, STDOUT};
use crate::lost::{LostMap, LostReport};
use crate::output::filesystem::FilesystemReport;
use crate::output::layout::LayoutReport;
use crate::output::{self, kept};
use crate::progress::Progress;

/// The bytes that are packed.
#[derive(Clone, Copy)]
pub(super) enum Data<'a> {
    /// Those of the source.
    Source,
    /// Those of the source after its journal was replayed.
    Recovered(&'a dyn ReadAt),
    /// These, with scrambled names.
    Scrambled(&'a Scrambled<Below<'a>>),
}

/// What is packed, and how.
pub(super) struct Job<'a> {
    pub(super) args: &'a PackArgs,
    pub(super) compression: Option<Compression>,
    pub(super) started: Instant,
    pub(super) source: &'a Source<'a>,
    /// The bytes of the source that are packed.
    pub(super) bytes: &'a dyn ReadAt,
    /// Where they are, if they are those of one partition.
    pub(super) range: Option<&'a Range<u64>>,
    pub(super) data: Data<'a>,
    pub(super) disk: &'a Layout<'a>,
    pub(super) shape: Shape,
}

impl Job<'_> {
    /// Does it.
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let (args, source) = (self.args, self.source);
        let map = self.begin_lost_map()?;
        let (target, packed, sha256) = if args.to_stdout() {
            (None, self.pack_to_stdout()?, None)
        } else {
            let target = Target::create(&args.image, &self.target_options())?;
            let packed = self.pack(&target)?;
            let sha256 = self.prove(&target)?;
            (Some(target), packed, sha256)
        };
        source.release()?;
        let change = source.changes()?;
        let lost = source.lost();
        if let (Some(map), Some(lost)) = (map, &lost) {
            map.write(lost)?;
        }
        target.map_or(Ok(()), Target::commit)?;

        let mut report = self.describe(packed)?;
        report.notes.extend(change);
        report.lost = lost.as_ref().map(LostReport::new);
        report.sha256 = sha256;
        report.seconds = self.started.elapsed().as_secs_f64();
        if !args.run.quiet {
            output::print_done(&report, args.run.output.output, args.to_stdout());
        }
        Ok(report.outcome())
    }

    /// Begins the file that `--lost` names, if it does.
    fn begin_lost_map(&self) -> Result<Option<LostMap>, Failure> {
        let args = self.args;
        let Some(path) = &args.lost else {
            return Ok(None);
        };
        // An image that is there already is to become the new one.
        let image = Disk::open(&args.image).ok().map(|image| image.identity());
        let others = image.into_iter().chain([self.source.identity()]).collect();
        LostMap::begin(path, args.force, !args.no_sync, others).map(Some)
    }

    fn target_options(&self) -> TargetOptions {
        TargetOptions {
            force: self.args.force,
            sync: !self.args.no_sync,
            sources: vec![self.source.identity()],
            head_bytes: self.shape.geometry.cluster_bits.bytes(),
            ..TargetOptions::default()
        }
    }

    fn data(&self) -> &dyn ReadAt {
        match self.data {
            Data::Source => self.bytes,
            Data::Recovered(data) => data,
            Data::Scrambled(data) => data,
        }
    }

    fn pack(&self, target: &Target) -> Result<PackReport, Failure> {
        self.with_options(|options| qcow2_writer::pack(self.data(), self, target, options))
    }

    /// Packs to the standard output, by way of a temporary file.
    fn pack_to_stdout(&self) -> Result<PackReport, Failure> {
        let spool = crate::input::spool(&self.args.input)?;
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        self.with_options(|options| {
            qcow2_writer::pack_to_pipe(self.data(), self, &spool, &target, options)
        })
    }

    fn with_options(
        &self,
        pack: impl FnOnce(&PackOptions<'_>) -> Result<PackReport, qcow2_writer::Error>,
    ) -> Result<PackReport, Failure> {
        let args = self.args;
        let bar = Progress::new(&args.run, "packing");
        let show = |progress: blockio::Progress| {
            bar.update(progress.done_bytes, progress.total_bytes);
            if progress.done_bytes == progress.total_bytes && !args.verify {
                // What it says is asked for again.
                let _ = self.source.release();
            }
            ControlFlow::Continue(())
        };
        let mut options = PackOptions::default();
        options.cluster_bits = self.shape.geometry.cluster_bits;
        options.extended_l2 = self.shape.geometry.extended_l2;
        options.allocation = self.shape.allocation;
        options.version = args.compat.into();
        options.refcount_order = args.refcount_bits;
        options.compression = self.compression;
        options.reflink = args.reflink.into();
        options.threads = args.run.threads();
        options.progress = Some(&show);
        options.sync = !args.no_sync;
        pack(&options).map_err(|error| match error {
            // Not salvaged: zeros in their place would prove that all is free.
            qcow2_writer::Error::Extents(error) if args.salvage => Failure::because(
                args.source_name(),
                format_args!("{}; --content all does without it", Causes(&*error)),
            ),
            error => Failure::about(blamed(args, &error), &error),
        })
    }

    fn notes(&self) -> Vec<String> {
        let orphans = self.args.recovers().then(|| recover::orphans(self.disk));
        let notes = self.disk.report().notes.iter().cloned();
        notes.chain(orphans.flatten()).collect()
    }

    fn describe(&self, packed: PackReport) -> Result<Report, Failure> {
        let (args, found) = (self.args, self.disk.report());
        let mut damage = found.damage.lines.clone();
        let mut damage_count = found.damage.total;
        if let Some(found) = self.source.mmp_damage() {
            damage.push(format!("{found}: nothing tells who uses the filesystem"));
            damage_count += 1;
        }
        let layout = LayoutReport::new(self.disk)
            .map_err(|error| Failure::because(args.source_name(), Causes(&*error)))?;
        Ok(Report {
            schema: output::SCHEMA,
            command: "pack",
            source: args.source.display().to_string(),
            image: args.image.display().to_string(),
            asked_for_all: args.filesystem.content == ContentArg::All,
            content: kept::content(found),
            evidence: kept::evidence(found),
            dropped: args.filesystem.discards(),
            kept_whole: kept::kept_whole(found),
            old_superblock: found.old_superblock,
            filesystem: found.filesystem.as_ref().map(FilesystemReport::new),
            on_disk: match (&found.filesystem, &layout, self.range) {
                (None, None, None) => self.source.on_disk(),
                _ => None,
            },
            layout,
            disk_bytes: packed.disk_bytes,
            used_bytes: packed.used_bytes,
            stored_bytes: packed.stored_bytes,
            shared_bytes: packed.reflinked_bytes,
            image_bytes: packed.image_bytes,
            cluster_size: self.shape.geometry.cluster_bits.bytes(),
            compat: compat_name(args.compat.into()),
            refcount_bits: args.refcount_bits.bits(),
            compression: self.compression.map_or("none", |codec| codec.name()),
            codec: self.compression.map(|codec| codec.codec()),
            compressed_clusters: packed.compressed_clusters,
            frozen: self.source.frozen_on(),
            notes: self.notes(),
            recovered: args.recovers(),
            scrambled: match self.data {
                Data::Scrambled(data) => Some(ScrambledReport::new(data.report())),
                Data::Source | Data::Recovered(_) => None,
            },
            damage,
            damage_count,
            lost: None,
            verified: args.verify,
            sha256: None,
            spooled_bytes: self.source.spooled().map(|spooled| spooled.bytes),
            spool_folder: (self.source.spooled())
                .map(|spooled| spooled.folder.display().to_string()),
            seconds: 0.0,
        })
    }
}

/// What of the packed disk is needed.
impl Tiling for Job<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self.data {
            Data::Source | Data::Recovered(_) => self.disk.extents(range),
            Data::Scrambled(data) => data.extents(range),
        }
    }
}

/// The file that `error` is about.
fn blamed<'a>(args: &'a PackArgs, error: &qcow2_writer::Error) -> &'a Path {
    use qcow2_writer::ErrorKind;
    match error.kind() {
        ErrorKind::Source => args.source_name(),
        _ if args.to_stdout() => Path::new(STDOUT),
        _ => &args.image,
    }
}
