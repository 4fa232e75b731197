//! The size of the disk.

use qcow2_format::extension::Extension;

use crate::state::State;

/// Records the size of the disk in the header.
pub(crate) fn set_size(state: &mut State, size: u64) {
    if state.header.size == size {
        return;
    }
    state.header.size = size;
    let is_exact = |extension: &Extension| matches!(extension, Extension::ExactSize(_));
    state.header.extensions.retain(|extension| !is_exact(extension));
}
