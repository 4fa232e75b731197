//! What is asked of an output.

use crate::Identity;

/// How an output comes to be.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// Replace a file that exists, or overwrite a block device.
    pub force: bool,
    /// Rewrite a file that exists where it is, without space for a second
    /// copy. It holds neither the old nor the new content until all is written.
    pub in_place: bool,
    /// Let [`Target::commit`](crate::Target::commit) return only when the output
    /// would survive a loss of power.
    pub sync: bool,
    /// Bytes at the start of a block device that are zeroed before anything
    /// else is written, and written after all else, so that an interrupted
    /// output is not taken for a whole one. They are held in memory. A
    /// [`WriteAt::set_size`](blockio::WriteAt::set_size) before the first write
    /// cuts them to its size.
    pub head_bytes: u64,
    /// What the output is made from, and must not overwrite.
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
