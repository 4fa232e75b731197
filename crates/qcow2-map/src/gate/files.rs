//! The gate for files and block devices.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hostdisk::{Disk, Identity, in_use, open_beneath};

use crate::gate::{BackingFormat, Gate, Reference, ReferenceFault, ReferenceKind};

/// Which of the files that an image names are opened. Never protocols or JSON,
/// and only regular files and block devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum References {
    /// None.
    #[default]
    Refuse,
    /// Those beneath the folder of the image that was opened, or of a file that
    /// was named to the gate: no `..`, no symbolic link out, no absolute path but one
    /// that names that folder.
    Beside,
    /// Any path.
    Any,
}

/// Opens files and block devices that images need. Names are relative to the
/// folder of the image that has them. A file that another process may write to is
/// refused, and so are files that form a loop.
#[derive(Debug)]
pub struct DiskGate {
    references: References,
    /// Named to the gate: backing files by layer, and the data file of the top.
    backing_files: Vec<PathBuf>,
    data_file: Option<PathBuf>,
    has_data_file: bool,
    format: Option<BackingFormat>,
    /// Where the layers are, top first.
    places: Vec<Place>,
    opened: Vec<Identity>,
}

/// Where a layer is.
#[derive(Clone, Debug)]
struct Place {
    /// The folder that files must lie beneath.
    root: PathBuf,
    /// The folder of the layer, relative to that.
    folder: PathBuf,
}

impl Place {
    /// The place of a file that the caller named.
    fn of(path: &Path) -> Self {
        Self {
            root: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            folder: PathBuf::new(),
        }
    }
}

impl DiskGate {
    /// A gate for the image `top`.
    #[must_use]
    pub fn new(top: &Disk, references: References) -> Self {
        Self {
            references,
            backing_files: Vec::new(),
            data_file: None,
            has_data_file: false,
            format: None,
            places: vec![Place::of(top.path())],
            opened: vec![top.identity()],
        }
    }

    /// Opens these files as backing files of the first layers, whatever the
    /// images name and the references allow.
    #[must_use]
    pub fn with_backing_files(self, backing_files: Vec<PathBuf>) -> Self {
        Self {
            backing_files,
            ..self
        }
    }

    /// Opens this file as data file of the image, whatever the image names and
    /// the references allow.
    #[must_use]
    pub fn with_data_file(self, data_file: Option<PathBuf>) -> Self {
        Self { data_file, ..self }
    }

    /// The format of backing files where their images do not say.
    #[must_use]
    pub fn with_format(self, format: Option<BackingFormat>) -> Self {
        Self { format, ..self }
    }

    /// Backing files that were opened.
    #[must_use]
    pub fn backing_file_count(&self) -> usize {
        self.places.len().saturating_sub(1)
    }

    /// Whether the image has an external data file, which was opened.
    #[must_use]
    pub fn has_data_file(&self) -> bool {
        self.has_data_file
    }

    /// Opens what `reference` names, or `explicit`, and says where it is.
    fn open(
        &mut self,
        reference: &Reference<'_>,
        explicit: Option<PathBuf>,
    ) -> Result<(Disk, Place), ReferenceFault> {
        let (disk, place) = match explicit {
            Some(path) => {
                let disk = Disk::open(&path).map_err(refused)?;
                (disk, Place::of(&path))
            }
            None => self.open_named(reference)?,
        };
        // A data file is not a layer, but may not be one either.
        if self.opened.contains(&disk.identity()) {
            return Err(ReferenceFault::Loop);
        }
        self.opened.push(disk.identity());
        if let Some(by) = in_use::source_in_use(&disk).map_err(refused)? {
            let path = disk.path().into();
            return Err(refused(hostdisk::Error::InUse { path, by }));
        }
        Ok((disk, place))
    }

    /// The name of a file that may be opened, judging by the
    /// name.
    fn check_name<'r>(&self, reference: &Reference<'r>) -> Result<&'r Path, ReferenceFault> {
        if self.references == References::Refuse {
            return Err(ReferenceFault::NotAllowed);
        }
        let name = reference.name.ok_or(ReferenceFault::NoName)?;
        if has_protocol(name) {
            return Err(ReferenceFault::Protocol);
        }
        Ok(Path::new(OsStr::from_bytes(name)))
    }

    fn open_named(&self, reference: &Reference<'_>) -> Result<(Disk, Place), ReferenceFault> {
        let name = self.check_name(reference)?;
        let place = self.places.get(reference.layer);
        let Place { root, folder } = place.ok_or(ReferenceFault::NotAllowed)?;
        if self.references == References::Any {
            let path = root.join(folder).join(name);
            let disk = Disk::open(&path).map_err(refused)?;
            return Ok((disk, Place::of(&path)));
        }
        let beneath = match beneath(root, name) {
            Some(rest) => rest,
            None => folder.join(name),
        };
        let disk = match open_beneath(root, &beneath) {
            Ok(disk) => disk,
            Err(hostdisk::Error::Outside { .. }) => return Err(ReferenceFault::Outside),
            Err(error) => return Err(refused(error)),
        };
        let place = Place {
            root: root.clone(),
            folder: beneath.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        Ok((disk, place))
    }

    /// The format of a backing file.
    fn format(&self, reference: &Reference<'_>) -> Result<BackingFormat, ReferenceFault> {
        match reference.format {
            None => self.format.ok_or(ReferenceFault::NoFormat),
            Some(name) => BackingFormat::named(name).ok_or_else(|| ReferenceFault::Format {
                name: String::from_utf8_lossy(name).into_owned(),
            }),
        }
    }
}

impl Gate<Disk> for DiskGate {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Disk, BackingFormat), ReferenceFault> {
        let explicit = self.backing_files.get(reference.layer).cloned();
        if explicit.is_none() {
            self.check_name(reference)?;
        }
        let format = self.format(reference)?;
        let (disk, place) = self.open(reference, explicit)?;
        self.places.push(place);
        Ok((disk, format))
    }

    fn data_file(&mut self, reference: &Reference<'_>) -> Result<Disk, ReferenceFault> {
        debug_assert_eq!(reference.kind, ReferenceKind::DataFile);
        let explicit = self.data_file.clone().filter(|_| reference.layer == 0);
        let (disk, _) = self.open(reference, explicit)?;
        self.has_data_file |= reference.layer == 0;
        Ok(disk)
    }
}

fn refused(error: hostdisk::Error) -> ReferenceFault {
    ReferenceFault::File(error.into())
}

/// The rest of the absolute path `name` that leads into the folder `root`, as it was
/// given or as it is without symbolic links. The name itself is not looked up.
fn beneath(root: &Path, name: &Path) -> Option<PathBuf> {
    if !name.is_absolute() {
        return None;
    }
    let here = if root.as_os_str().is_empty() {
        Path::new(".")
    } else {
        root
    };
    let roots = [std::path::absolute(here), std::fs::canonicalize(here)];
    let mut roots = roots.into_iter().flatten();
    roots.find_map(|root| name.strip_prefix(root).ok().map(Path::to_path_buf))
}

/// Whether QEMU would take the name of a file for more than a path: `json:…`,
/// `nbd://…`.
#[must_use]
pub fn has_protocol(name: &[u8]) -> bool {
    let first = name.split(|&byte| byte == b'/').next();
    first.is_some_and(|first| first.contains(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_end_in_a_colon_before_any_slash() {
        for name in ["json:{\"a\":1}", "nbd://host/x", "file:base", "a:b/c", ":"] {
            assert!(has_protocol(name.as_bytes()), "{name}");
        }
        for name in ["base", "./a:b", "/a:b", "", "sub/json:x"] {
            assert!(!has_protocol(name.as_bytes()), "{name}");
        }
    }
}
