//! What `pack` says of scrambled names.

use std::fmt::{self, Display};

use ext_scramble::{ScrambleReport, Unindexed};
use serde::Serialize;

/// What was done to names.
#[derive(Debug, Serialize)]
pub(crate) struct ScrambledReport {
    directories: u64,
    names: u64,
    links: u64,
    /// Directories that have no index any more, the first ones.
    unindexed: Vec<String>,
    unindexed_count: u64,
    /// Blocks and inodes in which something was zeroed that may have been a name.
    cleared: u64,
    /// Blocks that are left out, because they are names to one and something else
    /// to another.
    disputed_blocks: u64,
}

impl ScrambledReport {
    pub(crate) fn new(report: &ScrambleReport) -> Self {
        let line = |(inode, why): &(u32, Unindexed)| format!("directory inode {inode}: {why}");
        Self {
            directories: report.directories,
            names: report.names,
            links: report.links,
            unindexed: report.unindexed.iter().map(line).collect(),
            unindexed_count: report.unindexed_total,
            cleared: report.cleared,
            disputed_blocks: report.disputed_blocks,
        }
    }
}

impl Display for ScrambledReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "names    {} scrambled in {} directories, and {} links",
            self.names, self.directories, self.links
        )?;
        for line in &self.unindexed {
            writeln!(f, "names    {line}: it has no index any more")?;
        }
        let listed = u64::try_from(self.unindexed.len()).unwrap_or(u64::MAX);
        if self.unindexed_count > listed {
            writeln!(f, "names    and {} more", self.unindexed_count - listed)?;
        }
        if self.cleared > 0 {
            writeln!(
                f,
                "names    {} blocks and inodes were zeroed in part, where something may have been a name",
                self.cleared
            )?;
        }
        if self.disputed_blocks > 0 {
            writeln!(
                f,
                "names    {} blocks are left out that are names to one and something else to another",
                self.disputed_blocks
            )?;
        }
        Ok(())
    }
}
