//! What sort of trouble a failure is, for programs.

use std::error::Error;
use std::io;

use serde::Serialize;

/// What sort of trouble a failure is. The names are part of the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The command line makes no sense.
    Usage,
    /// The image or the disk breaks the rules of its format, or a part of it is missing.
    Corrupt,
    /// It is right, and needs something that this program cannot do.
    Unsupported,
    /// It is larger, or there is more of it, than allowed.
    Limit,
    /// What was asked for is not there.
    NotFound,
    /// It would destroy data, copy data that changes, or open what may not be opened.
    Refused,
    /// The storage failed, or the system did not allow it.
    Io,
    /// The program is ending.
    Interrupted,
    /// Everything else.
    Failed,
}

impl Kind {
    /// Finds out what sort of trouble `error` is, from the first of it and its causes that
    /// tells.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(kind) = told(error) {
                return kind;
            }
            // Errors of ours may be inside of those of the system.
            let inner = error.downcast_ref().and_then(io::Error::get_ref);
            if let Some(kind) = inner.and_then(|inner| told(inner)) {
                return kind;
            }
            next = error.source();
        }
        Self::Failed
    }
}

/// What sort of trouble `error` says that it is.
fn told(error: &(dyn Error + 'static)) -> Option<Kind> {
    if let Some(error) = error.downcast_ref::<qcow2_reader::Error>() {
        return Some(of_image(error.kind()));
    }
    if let Some(error) = error.downcast_ref::<qcow2_reader::ImageError>() {
        return Some(of_image(error.kind()));
    }
    if let Some(error) = error.downcast_ref::<hostdisk::Error>() {
        return Some(match error.kind() {
            hostdisk::ErrorKind::Unsupported => Kind::Unsupported,
            hostdisk::ErrorKind::Refused => Kind::Refused,
            hostdisk::ErrorKind::Limit => Kind::Limit,
            hostdisk::ErrorKind::Interrupted => Kind::Interrupted,
            hostdisk::ErrorKind::Io => match error.source().and_then(told) {
                Some(kind) => kind,
                None => Kind::Io,
            },
        });
    }
    if let Some(error) = error.downcast_ref::<disk_layout::Error>() {
        return match error.kind() {
            disk_layout::ErrorKind::Missing => Some(Kind::NotFound),
            // Its cause may tell more.
            _ => error.source().and_then(told).or(Some(Kind::Io)),
        };
    }
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        // A part of a chain: what is inside tells.
        _ if error.get_ref().is_some_and(|inner| told(inner).is_some()) => None,
        io::ErrorKind::NotFound => Some(Kind::NotFound),
        io::ErrorKind::InvalidData => Some(Kind::Corrupt),
        _ => Some(Kind::Io),
    }
}

fn of_image(kind: qcow2_reader::ErrorKind) -> Kind {
    match kind {
        qcow2_reader::ErrorKind::Corrupt => Kind::Corrupt,
        qcow2_reader::ErrorKind::Unsupported => Kind::Unsupported,
        qcow2_reader::ErrorKind::Limit => Kind::Limit,
        qcow2_reader::ErrorKind::NotFound => Kind::NotFound,
        qcow2_reader::ErrorKind::Io => Kind::Io,
        qcow2_reader::ErrorKind::Stopped => Kind::Interrupted,
        _ => Kind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_tells_decides() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(Kind::of(&missing), Kind::NotFound);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Kind::of(&denied), Kind::Io);
        let exists = hostdisk::Error::Exists { path: "x".into() };
        assert_eq!(Kind::of(&io::Error::other(exists)), Kind::Refused);
        assert_eq!(Kind::of(&std::fmt::Error), Kind::Failed);
        let empty = qcow2_reader::read_header(&Vec::new()).unwrap_err();
        assert_eq!(Kind::of(&empty), Kind::Corrupt);
    }
}
