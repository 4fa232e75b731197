//! What only root can try: loop devices, mounts and swap space.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod device_target;
mod file_target;
mod freeze;
mod in_use;
mod reflink;
mod tools;
mod uncached;
