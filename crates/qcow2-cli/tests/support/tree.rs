//! Everything in a mounted filesystem, to be compared.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Longest list of xattr names, and longest value, that Linux has.
const XATTR_BYTES_MAX: usize = 64 << 10;

/// Differences that are told; the rest are counted.
const TOLD_MAX: usize = 3;

/// The SHA-256 of a file's content.
pub(crate) type Hash = [u8; 32];

/// The SHA-256 of `bytes`.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A whole tree: every name, and what is behind it.
#[derive(Debug)]
pub(crate) struct Tree(BTreeMap<PathBuf, Entry>);

/// A file of any type.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// Type and permissions.
    mode: u32,
    owner: [u32; 2],
    bytes: u64,
    links: u64,
    device: u64,
    /// Not where the kernel has just set it: it makes up the times of what it
    /// replays from fast commits.
    modified: Option<[i64; 2]>,
    xattrs: Vec<(OsString, Vec<u8>)>,
    content: Content,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    File(Hash),
    Link(PathBuf),
    Other,
    /// Why it cannot be read: of a damaged file that may be right.
    Unreadable(String),
}

impl Tree {
    /// Reads all below `folder`, mounted at the second `since` of the epoch or
    /// later. What cannot be read is a part of the tree too.
    pub(crate) fn read(folder: &Path, since: i64) -> Self {
        let mut entries = BTreeMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(inside) = left.pop() {
            let path = folder.join(&inside);
            let mut entry = Entry::read(&path, since);
            if entry.mode & S_IFMT == S_IFDIR {
                let children = fs::read_dir(&path).and_then(|children| {
                    let names = children.map(|child| Ok(inside.join(child?.file_name())));
                    names.collect::<io::Result<Vec<_>>>()
                });
                match children {
                    Ok(children) => left.extend(children),
                    Err(error) => entry.content = Content::Unreadable(error.to_string()),
                }
            }
            entries.insert(inside, entry);
        }
        Self(entries)
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The hash of the file `path`.
    pub(crate) fn hash(&self, path: &Path) -> Option<Hash> {
        match self.0.get(path)?.content {
            Content::File(hash) => Some(hash),
            _ => None,
        }
    }

    /// In words, how `other` differs; `None` where it does not.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let mut names: Vec<_> = self.0.keys().chain(other.0.keys()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| self.0.get(*name) != other.0.get(*name));
        let told = names.iter().take(TOLD_MAX).map(|name| {
            let entries = (self.0.get(*name), other.0.get(*name));
            format!("{}: {}", name.display(), words(entries))
        });
        let told: Vec<_> = told.collect();
        (!names.is_empty()).then(|| format!("{} differ: {}", names.len(), told.join(", ")))
    }
}

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

impl Entry {
    fn read(path: &Path, since: i64) -> Self {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) => return Self::unreadable(&error),
        };
        let mode = metadata.mode();
        let unreadable = |error: io::Error| Content::Unreadable(error.to_string());
        let content = match mode & S_IFMT {
            S_IFREG => fs::read(path).map_or_else(unreadable, |bytes| Content::File(hash(&bytes))),
            S_IFLNK => fs::read_link(path).map_or_else(unreadable, Content::Link),
            _ => Content::Other,
        };
        Self {
            mode,
            owner: [metadata.uid(), metadata.gid()],
            bytes: metadata.size(),
            links: metadata.nlink(),
            device: metadata.rdev(),
            modified: (metadata.mtime() < since).then(|| [metadata.mtime(), metadata.mtime_nsec()]),
            xattrs: xattrs(path),
            content,
        }
    }

    fn unreadable(error: &io::Error) -> Self {
        Self {
            mode: 0,
            owner: [0; 2],
            bytes: 0,
            links: 0,
            device: 0,
            modified: None,
            xattrs: Vec::new(),
            content: Content::Unreadable(error.to_string()),
        }
    }
}

/// The extended attributes of `path`, by name; one that cannot be read has the
/// error as its value.
fn xattrs(path: &Path) -> Vec<(OsString, Vec<u8>)> {
    let mut buffer = vec![0; XATTR_BYTES_MAX];
    let length = match rustix::fs::llistxattr(path, &mut buffer[..]) {
        Ok(length) => length,
        Err(error) => return vec![(OsString::new(), error.to_string().into_bytes())],
    };
    let mut xattrs = Vec::new();
    let names = buffer[..length].to_vec();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = OsStr::from_bytes(name);
        let value = match rustix::fs::lgetxattr(path, name, &mut buffer[..]) {
            Ok(length) => buffer[..length].to_vec(),
            Err(error) => error.to_string().into_bytes(),
        };
        xattrs.push((OsString::from_vec(name.as_bytes().to_vec()), value));
    }
    xattrs.sort();
    xattrs
}

/// What makes two entries different.
fn words(entries: (Option<&Entry>, Option<&Entry>)) -> String {
    let (Some(one), Some(other)) = entries else {
        let where_ = if entries.0.is_none() {
            "only restored"
        } else {
            "missing"
        };
        return where_.into();
    };
    let mut words = Vec::new();
    if one.bytes != other.bytes {
        words.push(format!("{} bytes, then {}", one.bytes, other.bytes));
    }
    if one.xattrs != other.xattrs {
        words.push("other xattrs".into());
    }
    if one.content != other.content {
        words.push(match &other.content {
            Content::Unreadable(error) => error.clone(),
            _ => "other content".into(),
        });
    }
    if words.is_empty() {
        words.push("other metadata".into());
    }
    words.join(" and ")
}

/// Every kind of difference is seen.
pub(crate) fn check() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let tree = folder.path().join(name);
        fs::create_dir_all(tree.join("folder")).unwrap();
        for (file, bytes) in [("a", "one"), ("folder/b", "two")] {
            fs::write(tree.join(file), bytes).unwrap();
        }
        std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
        tree
    };
    let read = |tree: &Path| Tree::read(tree, 0);
    let (before, other) = (read(&make("one")), make("other"));
    assert_eq!(before.len(), 5);
    assert_eq!(before.hash(Path::new("a")), Some(hash(b"one")));
    let told = |tree: &Path| before.difference(&read(tree));
    assert_eq!(told(&other), None);
    fs::write(other.join("a"), "six").unwrap();
    assert_eq!(told(&other).unwrap(), "1 differ: a: other content");
    fs::remove_file(other.join("link")).unwrap();
    fs::write(other.join("a"), "one").unwrap();
    assert_eq!(told(&other).unwrap(), "1 differ: link: missing");
}
