//! What of a disk differs from the base, and the digests of the disk.

use std::ops::ControlFlow;

use blockio::ReadAt;
use disk_compare::{
    Base as Old, Changes, DigestIndex, Error, IndexFault, IndexWriter, Options, binding, changes,
};
use hostdisk::{Disk, Target, TargetOptions};

use super::base::Base;
use super::job::Job;
use crate::failure::{Causes, Failure};
use crate::progress::Progress;
use crate::text::Bytes;

/// What is stored over a base.
pub(super) struct Increment<'j, J> {
    pub(super) changes: Changes<'j, J>,
    /// Whether the base was not read, for its digests are known.
    pub(super) by_index: bool,
    /// Why it was read although its digests were given.
    pub(super) note: Option<String>,
}

impl Job<'_> {
    /// Begins the file for the digests, if they are wanted. `target` is the image.
    pub(super) fn begin_index(&self, target: Option<&Target>) -> Result<Option<Target>, Failure> {
        let (args, Some(target)) = (self.args, target) else {
            return Ok(None);
        };
        let Some(path) = &args.base.write_index else {
            return Ok(None);
        };
        // Known before the work.
        self.binding(target)?;
        if self.source.in_use().is_some() {
            let message = "--write-index needs a source that nobody writes to: the image could \
                           hold what is written after its digest is taken";
            return Err(Failure::because(args.source_name(), message));
        }
        let image = Disk::open(&args.image).ok().map(|image| image.identity());
        let options = TargetOptions {
            force: args.force,
            sync: !args.no_sync,
            sources: self.inputs().chain(image).collect(),
            ..TargetOptions::default()
        };
        Ok(Some(Target::create(path, &options)?))
    }

    /// Compares the disk with the base, if there is one, and writes its digests to
    /// `index`, if they are wanted.
    pub(super) fn increment(
        &self,
        index: Option<&mut IndexWriter<'_>>,
    ) -> Result<Option<Increment<'_, Self>>, Failure> {
        let Some(base) = self.base else {
            if index.is_some() {
                self.compare(&Old::Nothing, index)?;
            }
            return Ok(None);
        };
        let mut note = None;
        if let Some(path) = &self.args.base.index {
            let file = Disk::open(path)?;
            let stamp = file.stamp()?;
            let known = DigestIndex::open(&file).map_err(|error| Failure::about(path, &error))?;
            match self.unusable(&known, base)? {
                Some(why) => note = Some(format!("{}: not used: {why}", path.display())),
                None => {
                    let changes = self.compare(&Old::Index(&known), index)?;
                    if file.stamp()? != stamp {
                        let message = "the index changed while it was read";
                        return Err(Failure::because(path, message));
                    }
                    return Ok(Some(Increment {
                        changes,
                        by_index: true,
                        note: None,
                    }));
                }
            }
        }
        let image = base.image();
        let old = Old::Disk {
            disk: image,
            stored: image,
        };
        Ok(Some(Increment {
            changes: self.compare(&old, index)?,
            by_index: false,
            note,
        }))
    }

    fn compare(
        &self,
        old: &Old<'_>,
        index: Option<&mut IndexWriter<'_>>,
    ) -> Result<Changes<'_, Self>, Failure> {
        let bar = Progress::new(&self.args.run, "comparing");
        let show = |progress: blockio::Progress| {
            bar.update(progress.done_bytes, progress.total_bytes);
            ControlFlow::Continue(())
        };
        let mut options = Options::default();
        options.threads = Some(self.args.run.threads());
        options.progress = Some(&show);
        changes(self.data(), self, old, self.unit_bytes(), index, &options)
            .map_err(|error| self.not_compared(&error))
    }

    /// Size of what is compared, and has a digest, in bytes.
    pub(super) fn unit_bytes(&self) -> u64 {
        self.shape.geometry.cluster_bits.bytes()
    }

    /// Why the base is read although `index` is there, if it is.
    fn unusable(
        &self,
        index: &DigestIndex<'_>,
        base: &Base<'_>,
    ) -> Result<Option<String>, Failure> {
        if index.unit_bytes() != self.unit_bytes() {
            return Ok(Some(format!(
                "it is of clusters of {}, and the image has clusters of {}",
                Bytes(index.unit_bytes()),
                Bytes(self.unit_bytes())
            )));
        }
        let files: Option<Vec<_>> = (base.files())
            .map(|(file, time)| time.map(|time| (file, time)))
            .collect();
        let Some(files) = files else {
            let message = "the base is on a block device, which does not tell when it changed";
            return Ok(Some(message.to_owned()));
        };
        let found =
            binding(files).map_err(|error| Failure::about(self.args.base_name(), &error))?;
        let is_same = index.binding() == found && index.disk_bytes() == base.image().size();
        Ok((!is_same).then(|| "it is not of the base as the base is now".to_owned()))
    }

    /// What tells the image in `target`, and its base, from all others.
    pub(super) fn binding(&self, target: &Target) -> Result<[u8; 32], Failure> {
        let image: &dyn ReadAt = target;
        let time = target.stamp()?.modified();
        let below = self.base.iter().flat_map(|base| base.files());
        let files: Option<Vec<_>> = std::iter::once((image, time))
            .chain(below)
            .map(|(file, time)| time.map(|time| (file, time)))
            .collect();
        let Some(files) = files else {
            let message = "--write-index needs images in files: a block device does not tell when \
                           it changed";
            return Err(Failure::because(&self.args.image, message));
        };
        binding(files).map_err(|error| Failure::about(&self.args.image, &error))
    }

    /// The failure that `error` is, of the source, the base or the digests.
    pub(super) fn not_compared(&self, error: &Error) -> Failure {
        let args = self.args;
        match error {
            Error::Expected(cause) => Failure::because(args.source_name(), Causes(&**cause)),
            Error::Found(cause) => Failure::because(args.base_name(), Causes(&**cause)),
            Error::Index(fault) => {
                let written = matches!(fault, IndexFault::Write(_));
                let files = (&args.base.write_index, &args.base.index);
                match if written { files.0 } else { files.1 } {
                    Some(path) => Failure::about(path, fault),
                    None => Failure::about(&args.image, fault),
                }
            }
            error => Failure::about(&args.image, error),
        }
    }
}
