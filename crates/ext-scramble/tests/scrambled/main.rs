//! Filesystems that e2fsprogs or the kernel made, shown with scrambled names:
//! they stay as sound as they were, and no name is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod kernel;
mod made;
mod sound;
