//! Whether two paths lead to one file.

use std::fs;
use std::path::Path;

/// Whether two paths lead to the same file, which need not be there yet.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| {
        fs::canonicalize(path).ok().or_else(|| {
            let target = fs::read_link(path);
            let path = match &target {
                Ok(target) => path.parent()?.join(target),
                Err(_) => path.to_owned(),
            };
            let folder = path.parent()?;
            let here = folder.as_os_str().is_empty();
            let folder = fs::canonicalize(if here { Path::new(".") } else { folder }).ok()?;
            Some(folder.join(path.file_name()?))
        })
    };
    one == other || resolved(one).is_some_and(|one| resolved(other) == Some(one))
}
