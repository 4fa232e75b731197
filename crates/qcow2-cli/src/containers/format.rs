//! One format that wraps disks.

use super::ends::Ends;

/// A format that wraps disks.
#[derive(Debug)]
pub(super) struct Format {
    /// Its name with an article, as in "it is …".
    pub(super) name: &'static str,
    /// The command that extracts the disk, with FILE and DISK for the names.
    pub(super) remedy: &'static str,
    /// The offset and bytes of each part of its magic.
    pub(super) magic: &'static [(usize, &'static [u8])],
    /// A check that must hold in addition to the magic.
    pub(super) check: fn(&Ends) -> bool,
}

impl Format {
    /// Returns whether a file with these `ends` is in this format.
    pub(super) fn fits(&self, ends: &Ends) -> bool {
        let mut magic = self.magic.iter();
        magic.all(|(at, bytes)| ends.has(*at, bytes)) && (self.check)(ends)
    }
}
