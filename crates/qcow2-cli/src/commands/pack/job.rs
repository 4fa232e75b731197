//! One image: packed, proven if asked to, and reported.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use blockio::{BoxError, Extents, ReadAt, Tiling};
use disk_compare::{Changes, IndexWriter};
use disk_layout::Disk as Layout;
use ext_scramble::Scrambled;
use hostdisk::{Disk, Identity, StreamTarget, Target, TargetOptions};
use qcow2_writer::{
    Allocation, Backing, BackingFormat, Compression, ErrorKind, PackOptions, PackReport,
    pack_to_pipe,
};

use super::base::Base;
use super::base_report::BaseReport;
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
use crate::output::volumes::PhysicalReport;
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
    /// What the image lies over.
    pub(super) base: Option<&'a Base<'a>>,
    pub(super) data: Data<'a>,
    pub(super) disk: &'a Layout<'a>,
    pub(super) shape: Shape,
}

impl Job<'_> {
    /// Does it.
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let (args, source) = (self.args, self.source);
        let map = self.begin_lost_map()?;
        let target = match args.to_stdout() {
            true => None,
            false => Some(Target::create(&args.image, &self.target_options())?),
        };
        let index_file = self.begin_index(target.as_ref())?;
        let index = index_file.as_ref();
        let index = index.map(|file| IndexWriter::new(file, self.disk.size(), self.unit_bytes()));
        let mut index = (index.transpose()).map_err(|error| self.not_compared(&error))?;
        let increment = self.increment(index.as_mut())?;
        let stored = increment.as_ref().map(|increment| &increment.changes);
        let (packed, sha256) = match &target {
            Some(target) => (self.pack(target, stored)?, self.prove(target)?),
            None => (self.pack_to_stdout(stored)?, None),
        };
        source.release()?;
        let change = source.changes()?;
        self.base.map_or(Ok(()), Base::check_unchanged)?;
        if let (Some(index), Some(target)) = (index, &target) {
            let finished = index.finish(self.binding(target)?);
            finished.map_err(|error| self.not_compared(&error))?;
        }
        let lost = source.lost();
        if let (Some(map), Some(lost)) = (map, &lost) {
            map.write(lost)?;
        }
        target.map_or(Ok(()), Target::commit)?;
        // Digests are of use only beside their image, and an image is without them.
        let committed = index_file.map_or(Ok(()), |index| Ok(index.commit()?));
        committed.map_err(|failure: Failure| failure.with("the image is complete"))?;

        let mut report = self.describe(packed)?;
        report.notes.extend(change);
        if let (Some(base), Some(increment)) = (self.base, increment) {
            let changes = increment.changes.report();
            let path = args.base_name().display().to_string();
            let by_index = increment.by_index;
            report.used_bytes = changes.used_bytes;
            report.base = Some(BaseReport::new(path, base.name(), by_index, changes));
            report.notes.extend(increment.note);
        }
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
        let others = image.into_iter().chain(self.inputs()).collect();
        LostMap::begin(path, args.force, !args.no_sync, others).map(Some)
    }

    /// Which files are read.
    pub(super) fn inputs(&self) -> impl Iterator<Item = Identity> {
        let base = self.base.into_iter().flat_map(Base::identities);
        base.chain(self.source.identities())
    }

    fn target_options(&self) -> TargetOptions {
        TargetOptions {
            force: self.args.force,
            sync: !self.args.no_sync,
            sources: self.inputs().collect(),
            head_bytes: self.shape.geometry.cluster_bits.bytes(),
            ..TargetOptions::default()
        }
    }

    /// The bytes that are packed.
    pub(super) fn data(&self) -> &dyn ReadAt {
        match self.data {
            Data::Source => self.source.data(),
            Data::Recovered(data) => data,
            Data::Scrambled(data) => data,
        }
    }

    /// Packs what is `stored` over the base, or everything that is needed.
    fn pack(
        &self,
        target: &Target,
        stored: Option<&Changes<'_, Self>>,
    ) -> Result<PackReport, Failure> {
        self.with_options(|options| match stored {
            Some(changes) => qcow2_writer::pack(self.data(), changes, target, options),
            None => qcow2_writer::pack(self.data(), self, target, options),
        })
    }

    /// Packs to the standard output, by way of a temporary file.
    fn pack_to_stdout(&self, stored: Option<&Changes<'_, Self>>) -> Result<PackReport, Failure> {
        let spool = crate::input::spool(&self.args.input)?;
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        self.with_options(|options| match stored {
            Some(changes) => pack_to_pipe(self.data(), changes, &spool, &target, options),
            None => pack_to_pipe(self.data(), self, &spool, &target, options),
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
        if let Some(base) = self.base {
            options.allocation = Allocation::Overlay;
            options.backing = Some(Backing::new(base.name(), BackingFormat::Qcow2));
        }
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
            error => match error.kind() {
                ErrorKind::Source => self.source.failure(&error),
                _ if args.to_stdout() => Failure::about(Path::new(STDOUT), &error),
                _ => Failure::about(&args.image, &error),
            },
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
        if let Some(found) = self.source.image_damage() {
            damage.push(found);
            damage_count += 1;
        }
        if let Some(found) = self.source.mmp_damage() {
            damage.push(format!("{found}: nothing tells who uses the filesystem"));
            damage_count += 1;
        }
        let failed = |error: BoxError| Failure::because(args.source_name(), Causes(&*error));
        let layout = LayoutReport::new(self.disk).map_err(failed)?;
        let physical_volume = PhysicalReport::new(found, self.disk).map_err(failed)?;
        Ok(Report {
            schema: output::SCHEMA,
            command: "pack",
            source: args.source.display().to_string(),
            source_format: self.source.format(),
            source_image: self.source.image().cloned(),
            image: args.image.display().to_string(),
            asked_for_all: args.filesystem.content == ContentArg::All,
            content: kept::content(found),
            evidence: kept::evidence(found),
            dropped: args.filesystem.discards(),
            kept_whole: kept::kept_whole(found),
            old_superblock: found.old_superblock,
            filesystem: found.filesystem.as_ref().map(FilesystemReport::new),
            on_disk: match (&found.filesystem, &layout, &physical_volume) {
                (None, None, None) => self.source.on_disk(),
                _ => None,
            },
            layout,
            physical_volume,
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
            hint: self.source.grown_hint(),
            recovered: args.recovers(),
            scrambled: match self.data {
                Data::Scrambled(data) => Some(ScrambledReport::new(data.report())),
                Data::Source | Data::Recovered(_) => None,
            },
            damage,
            damage_count,
            base: None,
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
