//! What is said of a change.

use std::fmt::{self, Display};
use std::path::Path;

use qcow2_edit::Changed;
use serde::Serialize;

use crate::failure::{Causes, Outcome};
use crate::output;
use crate::text::Bytes;

/// The report of a change.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    command: &'static str,
    image: String,
    #[serde(skip)]
    done: String,
    file_before_bytes: u64,
    file_bytes: u64,
    /// Why the last steps failed, which do no harm.
    unfinished: Option<String>,
}

impl Report {
    /// Of the change that `done` names, in the past tense.
    pub(super) fn new(
        image: &Path,
        command: &'static str,
        done: String,
        changed: &Changed,
    ) -> Self {
        let unfinished = changed.unfinished.as_ref();
        Self {
            schema: output::SCHEMA,
            command,
            image: image.display().to_string(),
            done,
            file_before_bytes: changed.file_bytes_before,
            file_bytes: changed.file_bytes,
            unfinished: unfinished.map(|error| Causes(error).to_string()),
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.unfinished {
            Some(_) => Outcome::DoneWithNotes,
            None => Outcome::Done,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.image, self.done)?;
        let (before, after) = (self.file_before_bytes, self.file_bytes);
        if before == after {
            writeln!(f, "file: {}", Bytes(after))?;
        } else {
            writeln!(f, "file: {} (before: {})", Bytes(after), Bytes(before))?;
        }
        match &self.unfinished {
            Some(why) => writeln!(
                f,
                "note: the image is complete, but tidying up failed: {why}"
            ),
            None => Ok(()),
        }
    }
}
