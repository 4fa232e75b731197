//! One module a command: glue between the command line and the libraries.

pub(crate) mod blocks;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod digest;
pub(crate) mod dump;
pub(crate) mod edit;
pub(crate) mod generate;
pub(crate) mod info;
pub(crate) mod map;
pub(crate) mod measure;
pub(crate) mod pack;
pub(crate) mod partition;
pub(crate) mod punch;
pub(crate) mod report;
pub(crate) mod unpack;
