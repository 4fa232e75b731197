//! A logical volume as the whole source.

use std::sync::Arc;

use blockio::ReadAt;

use crate::error::Error;
use crate::provider::Part;

use super::found::{Volumes, mapped};
use super::lvm2::doubt::Doubt;
use super::map;
use super::mapping::{Mapping, Place, VolumeDisk};

/// A logical volume, and where it lies on its disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Volume {
    /// Its name, as `group/volume`.
    pub name: String,
    mapping: Arc<Mapping>,
}

impl Volume {
    /// Where its bytes lie; there is one disk.
    #[must_use]
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Returns the volume as a disk over `disk`, which is the one that it was found on or
    /// another view of it; `None` if that is too short.
    pub fn on<R: ReadAt>(&self, disk: R) -> Option<VolumeDisk<R>> {
        VolumeDisk::new(vec![disk], Arc::clone(&self.mapping))
    }
}

/// A volume, its bytes, and why it may lie elsewhere.
pub(crate) struct Opened<'d> {
    pub(crate) volume: Volume,
    pub(crate) window: Part<'d>,
    pub(crate) doubt: Option<String>,
}

/// The volumes on the disk by their names, each as a disk, or why it is none.
pub(crate) fn all<'d>(found: &Volumes<'d>) -> Vec<(String, Result<Opened<'d>, Error>)> {
    let mut volumes = Vec::new();
    for at_hand in &found.groups {
        let overlap = || map::pieces(at_hand, &found.lengths(at_hand)).err();
        let doubt = at_hand.doubt.clone().or_else(overlap);
        for logical in &at_hand.group.volumes {
            let name = format!("{}/{}", at_hand.group.name, logical.name);
            let refused = |why: &str| Error::Volume {
                name: name.clone(),
                why: why.to_owned(),
            };
            let opened = match (&logical.odd, mapped(at_hand, logical)) {
                (Some(odd), _) => Err(refused(&odd.to_string())),
                (None, None) => Err(refused("part of it is not on this disk")),
                (None, Some(mapping)) => opened(found, &name, mapping, doubt.as_ref()),
            };
            volumes.push((name, opened));
        }
    }
    volumes
}

/// The volume called `name`, which lies on the windows as `mapping` says.
fn opened<'d>(
    found: &Volumes<'d>,
    name: &str,
    mapping: Mapping,
    doubt: Option<&Doubt>,
) -> Result<Opened<'d>, Error> {
    let mapping = Arc::new(mapping);
    let disk = found.disk(&mapping)?;
    let moved = Mapping::clone(&mapping).moved(|place| {
        let range = found.on_disk(place.disk, &(place.at..place.at))?;
        let at = range.start;
        Some(Place { disk: 0, at })
    });
    let volume = Volume {
        name: name.to_owned(),
        mapping: Arc::new(moved.ok_or(Error::Shrunk)?),
    };
    Ok(Opened {
        volume,
        window: disk,
        doubt: doubt.map(ToString::to_string),
    })
}
