//! Proof that a finished image restores to what it was made from.

use std::ops::ControlFlow;

use blockio::{ReadAt, WriteAt};
use disk_compare::{Options, compare, sha256};
use hostdisk::Target;
use qcow2_reader::{Image, OpenOptions};

use super::base::Chain;
use super::job::{Data, Job};
use crate::failure::{Causes, Failure};
use crate::progress::Progress;

impl Job<'_> {
    /// Reads the finished image back as `--verify` and `--digest` want it; the
    /// digest, if asked for.
    pub(super) fn prove(&self, target: &Target) -> Result<Option<String>, Failure> {
        let args = self.args;
        if !args.verify && !args.digest {
            return Ok(None);
        }
        target
            .sync()
            .map_err(|error| Failure::about(&args.image, &error))?;
        let image: Chain<'_> = match self.base {
            Some(base) => base.below(target)?,
            None => {
                let image: Box<dyn ReadAt + '_> = Box::new(target.uncached());
                Image::open(image, &OpenOptions::default())
                    .map_err(|error| Failure::about(&args.image, &error))?
            }
        };
        if args.verify {
            let again = match self.data {
                Data::Source => self.source.again()?,
                Data::Recovered(data) => Box::new(data),
                Data::Scrambled(data) => Box::new(data),
            };
            self.read_back("verifying", |options| {
                compare(&*again, self, &image, &image, options)
            })?;
        }
        self.source.release()?;
        if !args.digest {
            return Ok(None);
        }
        let digest = self.read_back("digesting", |options| sha256(&image, &image, options))?;
        let hex = digest.iter().map(|byte| format!("{byte:02x}"));
        Ok(Some(hex.collect()))
    }

    /// Runs `job` on as many threads as asked for, and shows its progress.
    fn read_back<T>(
        &self,
        stage: &'static str,
        job: impl FnOnce(&Options<'_>) -> Result<T, disk_compare::Error>,
    ) -> Result<T, Failure> {
        let bar = Progress::new(&self.args.run, stage);
        let show = |progress: blockio::Progress| {
            bar.update(progress.done_bytes, progress.total_bytes);
            ControlFlow::Continue(())
        };
        let mut options = Options::default();
        options.threads = Some(self.args.run.threads());
        options.progress = Some(&show);
        job(&options).map_err(|error| self.unproven(&error))
    }

    fn unproven(&self, error: &disk_compare::Error) -> Failure {
        use disk_compare::Error;
        let image = |message| Failure::because(&self.args.image, message);
        match error {
            Error::Expected(cause) => Failure::because(
                self.args.source_name(),
                format!("the source cannot be read again: {}", Causes(&**cause)),
            ),
            Error::Found(cause) => image(format!(
                "the image cannot be read back: {}",
                Causes(&**cause)
            )),
            Error::Size { expected, found } => image(format!(
                "verification failed: the image restores {found} bytes, the source has {expected}"
            )),
            Error::Differs {
                offset,
                expected,
                found,
            } => image(format!(
                "verification failed: the image is not what was read: byte {offset:#x} of the \
                 disk is {found:#04x}, it must be {expected:#04x}"
            )),
            error => Failure::about(&self.args.image, error),
        }
    }
}
