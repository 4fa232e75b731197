//! `qcow2 report`: where the bytes of an image or a disk go, as a page.

mod done;
mod facts;
mod parts;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use blockio::WriteAt;
use disk_layout::{Disk, Options};
use hostdisk::{Target, TargetOptions, in_use};
use qcow2_report::{Error, Storage, Subject, Survey, Text};

use crate::args::{ReportArgs, spool};
use crate::failure::{Causes, Failure, Outcome, STDOUT};
use crate::output;
use crate::progress::Progress;
use crate::source::{self, Ask, Opening};

use done::Done;
use parts::Parts;

/// Writes the page.
pub(crate) fn run(args: &ReportArgs) -> Result<Outcome, Failure> {
    let ask = Ask {
        args: &args.reading,
        name: args.image_name(),
        salvage: None,
        has_base: false,
    };
    let source = Opening::unchecked(&args.image, &ask, args.source_format, &args.input)?;
    let page = Page::begin(args, &source)?;
    let mut options = Options::default();
    options.threads = Some(args.run.threads());
    options.spool = Some(&spool);
    options.sector_bytes = source.sector_bytes()?;
    // That an image is in use was found when it was opened.
    let user = source.raw().map(in_use::source_in_use).transpose()?;
    options.in_use = user.flatten().map(|user| user.to_string());
    let disk = Disk::open(&source, &options).map_err(|error| source::failure(&ask, &error))?;
    let parts = Parts::new(&disk).map_err(|error| Failure::because(ask.name, Causes(&*error)))?;
    let survey = survey(args, &ask, &source, &disk, &parts)?;

    let mut text = Text::default();
    facts::fill(&mut text, args, &source)
        .map_err(|error| ask.failure(&qcow2_reader::Error::from(error)))?;
    parts.fill(&mut text);
    facts::notes(&mut text, disk.report());
    let html =
        qcow2_report::page(&survey, &text).map_err(|error| Failure::about(ask.name, &error))?;
    if let Some(image) = source.image() {
        image.check_unchanged()?;
    }
    page.end(&html)?;

    let done = Done::new(args, &source, &survey, html.len());
    if !args.run.quiet {
        output::print_done(&done, args.run.output.output, args.to_stdout());
    }
    let has_notes = !text.notes.is_empty() || done.has_findings();
    Ok(match has_notes {
        true => Outcome::DoneWithNotes,
        false => Outcome::Done,
    })
}

/// Looks at all of the disk.
fn survey(
    args: &ReportArgs,
    ask: &Ask<'_>,
    source: &Opening,
    disk: &Disk<'_>,
    parts: &Parts,
) -> Result<Survey, Failure> {
    let storage = match source {
        Opening::Image(chain) => Storage::Image(chain.image.as_map()),
        Opening::Raw(disk) => Storage::Raw(disk),
    };
    let mut subject = Subject::new(disk, storage);
    subject.parts = parts.ranges();
    let bar = Progress::new(&args.run, "reading");
    let survey = Survey::new(&subject, |progress| {
        bar.update(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    });
    survey.map_err(|error| match error {
        Error::Image(error) => ask.failure(&error.into()),
        Error::Check(error) => ask.failure(&error.into()),
        Error::Used(error) => source::failure(ask, &*error),
        error => Failure::about(ask.name, &error),
    })
}

/// Where the page goes.
enum Page {
    Stdout,
    File(Target),
}

impl Page {
    /// Begins the page, which must be none of the files of `source`.
    fn begin(args: &ReportArgs, source: &Opening) -> Result<Self, Failure> {
        if args.to_stdout() {
            return Ok(Self::Stdout);
        }
        let options = TargetOptions {
            force: args.force,
            sources: source
                .files()
                .iter()
                .map(hostdisk::Disk::identity)
                .collect(),
            ..TargetOptions::default()
        };
        Ok(Self::File(Target::create(&args.page, &options)?))
    }

    /// Writes the page, which appears in its place.
    fn end(self, html: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(html.as_bytes());
                output::unless_left_early(written.and_then(|()| stdout.flush()))
                    .map_err(|error| Failure::about(Path::new(STDOUT), &error))
            }
            Self::File(target) => {
                target
                    .write_at(0, html.as_bytes())
                    .map_err(|error| Failure::about(target.path(), &error))?;
                Ok(target.commit()?)
            }
        }
    }
}
