//! Volumes of LVM2: the physical volumes on a disk, and the logical ones in them.
//!
//! A physical volume proves nothing by itself: only the newest text of its whole group says
//! which extents are in use. So all that are on the disk are put together, and a group
//! counts if every physical volume that its newest text names is here. A logical volume is
//! then a disk like any other, made of pieces of the windows.
//!
//! Volumes are a layer of their own, above the parts of a disk and below what is asked of a
//! [`Provider`](crate::Provider): that one still sees one disk. The windows are a list so
//! that they may come from several disks one day.

mod found;
mod groups;
mod lvm2;
mod map;
mod mapping;
mod open;
mod physical;
mod tiling;
mod volume;

pub(crate) use found::{Candidate, Volumes, is_labelled};
pub use mapping::{Mapping, Place as MappedPlace, VolumeDisk};
pub(crate) use open::{Decided, decide};
pub use volume::Volume;
pub(crate) use volume::{Opened, all};
