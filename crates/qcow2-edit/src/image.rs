//! An image as it is: what it consists of, and all that uses its clusters.

pub(crate) mod counts;
pub(crate) mod damage;
pub(crate) mod judge;
pub(crate) mod references;
pub(crate) mod state;
pub(crate) mod view;
