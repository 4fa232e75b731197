//! Space for what is too large for memory.

use std::fmt::Debug;
use std::io;

use crate::access::Store;

/// Space that a job needs while it runs. It starts empty, takes no room where nothing
/// was written, and reads as zeros there.
pub trait Spool: Store + Debug {}

impl<S: Store + Debug> Spool for S {}

/// Makes an empty [`Spool`]; each call makes another one.
pub type NewSpool<'a> = &'a (dyn Fn() -> io::Result<Box<dyn Spool>> + Sync);
