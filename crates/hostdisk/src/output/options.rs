//! Options of an output.

use crate::Identity;

/// How to create an output.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// Replace an existing file, or overwrite a block device.
    pub force: bool,
    /// Rewrite an existing file in place, without space for a second copy. Until
    /// everything is written, it holds neither the old nor the new content.
    pub in_place: bool,
    /// Make [`Target::commit`](crate::Target::commit) wait until the output would
    /// survive a loss of power.
    pub sync: bool,
    /// Bytes at the start of a block device that are zeroed first and written last, so
    /// that an interrupted output is not mistaken for a whole one.
    ///
    /// They are held in memory. A
    /// [`WriteAt::set_size`](blockio::WriteAt::set_size) before the first write
    /// limits them to its size.
    pub head_bytes: u64,
    /// The sources of the output, which it must not overwrite.
    pub sources: Vec<Identity>,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            force: false,
            in_place: false,
            sync: true,
            head_bytes: 64 << 10,
            sources: Vec::new(),
        }
    }
}
