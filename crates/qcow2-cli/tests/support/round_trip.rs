//! One disk through the program and back, held against qemu-img and the
//! filesystem's own tools.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fixtures::{E2fs, Outcome, Program, Qemu, compare, first_difference};

use super::judge::{Judge, same_words};

/// Done: nothing was found wrong with the source.
pub(crate) const DONE: i32 = 0;
/// Done, but the source is damaged or unclean, and more was kept than needed.
pub(crate) const DONE_UNCLEAN: i32 = 3;

/// qcow2 images have whole sectors.
const SECTOR_BYTES: u64 = 512;

/// What e2fsck makes up when it repairs: a UUID, the sequence of a new journal,
/// and the time, device and checksum of an MMP block.
const REPAIR_NOISE_BYTES_MAX: u64 = 64;

/// The program and its judges, among them the tools `J` of a family of filesystems.
#[derive(Clone, Debug)]
pub(crate) struct Bench<J = E2fs> {
    pub(crate) program: Program,
    pub(crate) tools: J,
    pub(crate) qemu: Qemu,
}

/// Where the files of one round trip are.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) source: PathBuf,
    pub(crate) image: PathBuf,
    /// What the program restores.
    pub(crate) restored: PathBuf,
    /// What qemu-img makes of the image.
    pub(crate) converted: PathBuf,
}

/// What came of a round trip.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How `pack` ended.
    pub(crate) code: Option<i32>,
    /// Bytes kept although a clean filesystem says that they are free.
    pub(crate) stale_bytes: u64,
    /// The checker found nothing wrong with the source.
    pub(crate) sound: bool,
    /// What is not as it should be; empty where all is well.
    pub(crate) problems: Vec<String>,
}

impl Files {
    /// The files of a round trip in `folder`. The source is called `source`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            source: folder.join("source"),
            image: folder.join("image"),
            restored: folder.join("restored"),
            converted: folder.join("converted"),
        }
    }

    /// Removes all but the source.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for path in [&self.image, &self.restored, &self.converted] {
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// Adds a problem where free bytes were kept.
    pub(crate) fn must_be_lean(mut self) -> Self {
        if self.stale_bytes > 0 {
            self.problem(format!("{} free bytes were kept", self.stale_bytes));
        }
        self
    }

    /// Adds a problem.
    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Adds a problem where `outcome` is no success.
    pub(crate) fn expect(&mut self, what: &str, outcome: &Outcome) -> bool {
        if !outcome.success() {
            let code = outcome.code;
            self.problem(format!(
                "{what} ended with {code:?}: {}",
                outcome.brief(160)
            ));
        }
        outcome.success()
    }
}

impl<J: Judge> Bench<J> {
    /// `program` and its judges, if the machine has them.
    pub(crate) fn find(program: Program, tools: Option<J>) -> Option<Self> {
        Some(Self {
            program,
            tools: tools?,
            qemu: Qemu::find()?,
        })
    }

    /// Packs the source, restores it in two ways, and compares everything. The
    /// files stay.
    pub(crate) fn round_trip(&self, files: &Files, arguments: &[&str]) -> io::Result<Report> {
        let mut report = Report::default();
        let packed = self.program.pack(arguments, &files.source, &files.image)?;
        report.code = packed.code;
        if !matches!(packed.code, Some(DONE | DONE_UNCLEAN)) {
            report.expect("pack", &packed);
            return Ok(report);
        }
        if !self.restore(files, &mut report)? {
            return Ok(report);
        }
        self.compare_bytes(files, &mut report)?;
        let before = self.tools.check(&files.source)?;
        report.sound = before.success();
        if before.code.is_none() {
            // The check did not end in time, so there is nothing to compare with.
            return Ok(report);
        }
        let after = self.tools.check(&files.restored)?;
        if same_words("the check", &before, &after, &mut report) {
            self.compare_repaired(files, &mut report)?;
        }
        Ok(report)
    }

    /// Whether the image is sound and can be restored in two ways; the disks have
    /// the length of the source and agree.
    pub(crate) fn restore(&self, files: &Files, report: &mut Report) -> io::Result<bool> {
        report.expect("qemu-img check", &self.qemu.check(&files.image)?);
        if let Err(error) = self.qemu.unpack(&files.image, &files.converted) {
            report.problem(error.to_string());
            return Ok(false);
        }
        let unpacked = self.program.unpack(&[], &files.image, &files.restored)?;
        if !report.expect("unpack", &unpacked) {
            return Ok(false);
        }
        let (source, restored) = (length(&files.source)?, length(&files.restored)?);
        if source != restored {
            report.problem(format!("{restored} bytes were restored, {source} packed"));
        }
        let converted = length(&files.converted)?;
        if converted != restored.next_multiple_of(SECTOR_BYTES) {
            report.problem(format!(
                "qemu-img restores {converted} bytes, not {restored}"
            ));
        }
        if let Some(at) = first_difference(&files.restored, &files.converted)? {
            report.problem(format!("unpack differs from qemu-img convert at {at:#x}"));
        }
        Ok(true)
    }

    /// The restored disk has every used byte, and otherwise nothing but the
    /// source's bytes and zeros.
    fn compare_bytes(&self, files: &Files, report: &mut Report) -> io::Result<()> {
        let usage = self.tools.usage(&files.source)?;
        let difference = compare(&files.source, &files.restored, usage.as_ref())?;
        if difference.lost > 0 {
            report.problem(format!("{} used bytes are lost", difference.lost));
        }
        if difference.foreign > 0 {
            let count = difference.foreign;
            report.problem(format!("{count} bytes are neither the source's nor zero"));
        }
        if usage.is_some_and(|usage| usage.clean) {
            report.stale_bytes = difference.stale;
        }
        Ok(())
    }

    /// Source and restored disk are repaired in the same way, journal included, and
    /// what is used then is the same. Changes both.
    fn compare_repaired(&self, files: &Files, report: &mut Report) -> io::Result<()> {
        let one = self.tools.repair(&files.source)?;
        let other = self.tools.repair(&files.restored)?;
        let (Some(one), Some(other)) = (one, other) else {
            return Ok(());
        };
        if !same_words("the repair", &one, &other, report) {
            return Ok(());
        }
        if let Some(usage) = self.tools.usage(&files.source)? {
            let lost = compare(&files.source, &files.restored, Some(&usage))?.lost;
            if lost > REPAIR_NOISE_BYTES_MAX {
                report.problem(format!("{lost} used bytes differ once both are repaired"));
            }
        }
        Ok(())
    }
}

fn length(path: &Path) -> io::Result<u64> {
    Ok(path.metadata()?.len())
}
