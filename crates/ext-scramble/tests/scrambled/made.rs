//! Filesystems full of names, and what is shown of them.

use std::fs;
use std::io;
use std::path::PathBuf;

use blockio::{Extent, ExtentKind, ReadAt};
use ext_blocks::{Detected, Filesystem, Halt, Options, detect};
use ext_scramble::{ScrambleKey, ScrambleReport};
use fixtures::E2fs;
use hostdisk::Spool;
use tempfile::TempDir;

/// What every name has in it that shall not be seen.
pub(crate) const SECRETS: [&[u8]; 3] = [b"secret", b"Secret", b"SECRET"];

/// A folder with an image of a filesystem.
pub(crate) struct Made {
    pub(crate) folder: TempDir,
    pub(crate) image: PathBuf,
}

impl Made {
    /// An empty filesystem.
    pub(crate) fn new(e2fs: &E2fs, size_bytes: u64, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        // What was on the disk before stays where mke2fs writes nothing.
        let stale =
            b"a secret of somebody before\n".repeat(usize::try_from(size_bytes).unwrap() / 28);
        fs::write(&image, stale).unwrap();
        let named = ["-K", "-L", "secretlabel", "-M", "/secret/mount"];
        e2fs.make(&image, size_bytes, &[options, &named].concat())
            .unwrap();
        Self { folder, image }
    }

    /// One with `files` files in one directory, and some of everything.
    pub(crate) fn with_tree(e2fs: &E2fs, options: &[&str], files: u32) -> Self {
        let made = Self::new(e2fs, 24 << 20, options);
        let value = made.file("value", &b"secret value ".repeat(40));
        let mut commands = vec!["mkdir /secret-many-files".into()];
        let mut name = |command: String| commands.push(command);
        for number in 0..files {
            let tail = "-and-more".repeat(usize::try_from(number % 9).unwrap());
            name(format!(
                "write /dev/null /secret-many-files/secret-{number}{tail}"
            ));
        }
        for number in 0..8 {
            name(format!("mkdir /secret-folder-{number}"));
            name(format!("mkdir /secret-folder-{number}/secret-deeper"));
            name(format!(
                "write /dev/null /secret-folder-{number}/secret-file"
            ));
            name(format!(
                "ea_set /secret-folder-{number}/secret-file user.secret-attribute-{number} secretvalue"
            ));
            name(format!(
                "ea_set /secret-folder-{number}/secret-file user.secret-attribute secretvalue{number}"
            ));
        }
        name("symlink /secret-link secret-folder-1/secret-file".into());
        let long = "secret-long/../".repeat(9);
        name(format!("symlink /secret-long-link {long}"));
        name(format!(
            "ea_set -f {value} /secret-folder-1 user.secret-long-value"
        ));
        name("write /dev/null /secret-that-was-deleted".into());
        name("rm /secret-that-was-deleted".into());
        made.change(e2fs, &commands);
        made
    }

    /// Runs commands of debugfs, has large directories indexed, and what debugfs
    /// left wrong set right.
    pub(crate) fn change(&self, e2fs: &E2fs, commands: &[String]) {
        e2fs.debugfs(&self.image, commands).unwrap();
        e2fs.fsck(&["-fyD"], &self.image).unwrap();
    }

    /// Writes a file beside the image, and returns its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.image).unwrap()
    }
}

/// What is shown of a filesystem.
pub(crate) struct Shown {
    /// As long as the disk, with zeros where nothing is shown.
    pub(crate) bytes: Vec<u8>,
    pub(crate) report: ScrambleReport,
    /// Bytes that are shown.
    pub(crate) shown_bytes: u64,
}

/// The filesystem on `disk`, scrambled with `key`; `None` where that is
/// refused.
pub(crate) fn scramble(disk: &[u8], key: u8) -> Option<Shown> {
    let disk = disk.to_vec();
    let options = Options::default();
    let Detected::Ext(filesystem) = detect(&disk, &options).unwrap() else {
        return None;
    };
    match filesystem.recovered() {
        Ok(recovered) => match detect(&recovered, &options).unwrap() {
            Detected::Ext(filesystem) => shown(&filesystem, &recovered, key),
            Detected::Nothing { .. } => None,
        },
        Err(Halt::Refused(_)) => shown(&filesystem, &disk, key),
        Err(Halt::Failed(error)) => panic!("{error}"),
    }
}

fn shown<R: ReadAt + ?Sized>(filesystem: &Filesystem<&R>, disk: &R, key: u8) -> Option<Shown> {
    let key = ScrambleKey::new([key; 32]);
    let spool = || -> io::Result<Box<dyn blockio::Spool>> { Ok(Box::new(Spool::new()?)) };
    let scrambled = match ext_scramble::scramble(filesystem, &key, &spool) {
        Ok(scrambled) => scrambled,
        Err(Halt::Refused(_)) => return None,
        Err(Halt::Failed(error)) => panic!("{error}"),
    };
    let size = scrambled.size();
    assert_eq!(size, disk.size());
    let extents: Vec<Extent> = scrambled.used_extents().collect::<Result<_, _>>().unwrap();
    assert!(blockio::tiles(extents.iter().copied(), size));
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    let mut shown_bytes = 0;
    for extent in extents
        .iter()
        .filter(|extent| extent.kind == ExtentKind::Data)
    {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        scrambled.read_at(extent.start, &mut bytes[range]).unwrap();
        shown_bytes += extent.length;
    }
    Some(Shown {
        bytes,
        report: scrambled.report().clone(),
        shown_bytes,
    })
}

/// Bytes of metadata that are selected where names are not scrambled.
pub(crate) fn metadata_bytes(disk: &[u8]) -> u64 {
    let disk = disk.to_vec();
    let Detected::Ext(filesystem) = detect(&disk, &Options::default()).unwrap() else {
        panic!("no filesystem");
    };
    let metadata = filesystem.metadata().unwrap();
    let extents = metadata.used_extents();
    let data = extents.filter(|extent| extent.kind == ExtentKind::Data);
    data.map(|extent| extent.length).sum()
}

/// Whether one of `words`, which have at most 8 bytes, is somewhere in `bytes`.
pub(crate) fn holds(bytes: &[u8], words: &[&[u8]]) -> bool {
    (0..bytes.len()).step_by(4096).any(|start| {
        let end = bytes.len().min(start + 4096 + 7);
        let piece = &bytes[start..end];
        !blockio::is_zero(piece)
            && (0..piece.len()).any(|at| words.iter().any(|word| piece[at..].starts_with(word)))
    })
}
