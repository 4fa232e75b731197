use std::cell::Cell;

use tempfile::TempDir;

use super::*;

/// A file system that has only some of the calls.
struct Lacking {
    has_rename_free: bool,
    has_link: bool,
    /// How many plain renames are done before they fail.
    renames: Cell<usize>,
}

impl Lacking {
    fn new(has_rename_free: bool, has_link: bool, renames: usize) -> Self {
        Self {
            has_rename_free,
            has_link,
            renames: renames.into(),
        }
    }
}

/// What exFAT says, and others do.
fn refused() -> io::Error {
    rustix::io::Errno::NOSYS.into()
}

impl Calls for Lacking {
    fn rename_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.has_rename_free {
            true => System.rename_free(from, to),
            false => Err(refused()),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.has_link {
            true => System.link(from, to),
            false => Err(refused()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let left = self.renames.get().checked_sub(1).ok_or_else(refused)?;
        self.renames.set(left);
        System.rename(from, to)
    }
}

/// Every kind of file system that can give a file its name.
fn able() -> [Lacking; 3] {
    [
        Lacking::new(true, true, 0),
        Lacking::new(false, true, 0),
        Lacking::new(false, false, 9),
    ]
}

fn temporary(folder: &TempDir) -> TempPath {
    let name = Builder::new()
        .prefix(".new.")
        .tempfile_in(folder.path())
        .unwrap();
    fs::write(name.path(), "new").unwrap();
    name.into_temp_path()
}

fn names_in(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_free_name_is_given_whatever_the_file_system_lacks() {
    for calls in able() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        move_to_free(&calls, temporary(&folder), &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names_in(&folder), ["file"]);
    }
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    for calls in able() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let error = move_to_free(&calls, temporary(&folder), &path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(names_in(&folder), ["file"]);
    }
}

#[test]
fn a_failure_leaves_no_empty_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let calls = Lacking::new(false, false, 0);
    let error = move_to_free(&calls, temporary(&folder), &path).unwrap_err();
    assert_eq!(error.raw_os_error(), refused().raw_os_error());
    assert!(names_in(&folder).is_empty(), "{:?}", names_in(&folder));
}

#[test]
fn what_cannot_be_named_is_known_before_the_work() {
    for replaces in [false, true] {
        for calls in able() {
            let folder = TempDir::new().unwrap();
            let name = temporary(&folder);
            let before = name.to_path_buf();
            let mut names = Builder::new();
            names.prefix(".new.");
            let renames = if replaces { 9 } else { calls.renames.get() };
            calls.renames.set(renames);
            let next = rehearse(&calls, name, folder.path(), &names, replaces).unwrap();
            assert_ne!(before, next.to_path_buf());
            assert_eq!(fs::read(&next).unwrap(), b"new");
            assert_eq!(names_in(&folder).len(), 1);
            drop(next);
            assert!(names_in(&folder).is_empty());
        }
        let folder = TempDir::new().unwrap();
        let calls = Lacking::new(false, false, 0);
        let name = temporary(&folder);
        let refused = rehearse(&calls, name, folder.path(), &Builder::new(), replaces);
        assert!(refused.is_err());
        assert!(names_in(&folder).is_empty());
    }
}

#[test]
fn only_the_name_of_the_file_itself_is_removed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let file = File::create(&path).unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    fs::write(&path, "theirs").unwrap();
    assert!(remove_name_of(&file, &path).is_err());
    remove_name_of(&file, &folder.path().join("moved")).unwrap();
    assert_eq!(names_in(&folder), ["file"]);
}
