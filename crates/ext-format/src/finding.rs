//! What can be wrong with a filesystem, as values: why nothing of it is believed,
//! and what is damaged in one that is.

mod damage;
mod distrust;
mod inode;
mod log;
mod rule;
mod superblock_at;

pub use damage::{Consequence, Damage, Finding, GroupMetadata, JournalDamage};
pub use distrust::{Distrust, JournalFault};
pub use inode::{InodeDamage, WalkDamage};
pub use log::LogDamage;
pub use rule::{Allowed, FeatureWord};
pub use superblock_at::SuperblockAt;
