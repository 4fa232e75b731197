//! The repair of an image.

use hostdisk::EditedFile;
use qcow2_check::Audit;
use qcow2_edit::{Editor, Error, Repaired};

use crate::args::{CheckArgs, RepairArg};
use crate::failure::Failure;

/// Repairs what is asked for, and returns what became of it; `None` if nothing was
/// changed, because nothing can be, or because leaks alone are to be repaired of an image
/// that has other damage.
pub(super) fn run(
    args: &CheckArgs,
    image: &EditedFile,
    before: &Audit,
) -> Result<Option<Repaired>, Failure> {
    let failed = |error: &Error| Failure::about(&args.image, error);
    let editor = match Editor::open(image) {
        Ok(editor) => editor,
        // The check has found the same.
        Err(Error::Map(_)) if before.corruptions > 0 => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let repaired = match args.repair {
        Some(RepairArg::Leaks) if before.corruptions > 0 => return Ok(None),
        Some(RepairArg::Leaks) => editor.drop_leaks().map(|changed| {
            let mut repaired = Repaired::default();
            repaired.changed = changed;
            repaired
        }),
        _ => editor.repair(),
    };
    match repaired {
        Ok(repaired) => Ok(Some(repaired)),
        Err(Error::Damaged(_) | Error::Unsupported { .. }) if before.corruptions > 0 => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}
