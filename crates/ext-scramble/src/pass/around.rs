//! What the attributes of an inode need of the rest of it, and of others.

use blockio::ReadAt;
use ext_format::error::Error;

use crate::attributes::{Surroundings, ValueHashes};
use crate::directory::Scrambler;
use crate::names::Case;
use crate::pass::Pass;

/// What to do with the value of `system.data`.
pub(super) enum Data<'a> {
    /// It is file data, or unknown.
    Zeroes,
    /// It is the rest of a directory.
    Directory(Scrambler<'a>),
    /// It is the rest of a target, which is this now.
    Target(Vec<u8>),
}

/// What the attributes of an inode need.
pub(super) struct Around<'p, 'a, R: ?Sized> {
    pub(super) pass: &'p mut Pass<'a, R>,
    pub(super) data: Data<'a>,
}

impl<R: ReadAt + ?Sized> Surroundings for Around<'_, '_, R> {
    fn scramble_data(&mut self, value: &mut [u8]) {
        match &self.data {
            Data::Directory(scrambler) => {
                let rewritten = scrambler.inline(value);
                let report = &mut self.pass.report;
                report.names = report.names.saturating_add(rewritten.names);
                let cleared = u64::from(rewritten.cleared);
                report.cleared = report.cleared.saturating_add(cleared);
                let is_folded = scrambler.directory.case == Case::Folded;
                self.pass.is_not_utf8 |= is_folded && rewritten.has_other_than_ascii;
            }
            Data::Target(rest) if rest.len() == value.len() => value.copy_from_slice(rest),
            Data::Target(_) | Data::Zeroes => value.fill(0),
        }
    }

    fn value_hashes(&mut self, number: u32) -> Result<Option<ValueHashes>, Error> {
        self.pass.value_hashes(number)
    }
}
