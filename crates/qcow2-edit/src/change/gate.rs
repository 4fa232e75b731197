//! Which images are changed or repaired: what the check finds decides.

use blockio::ReadAt;
use qcow2_check::{AuditOptions, Fault, FaultKind, Repair};
use qcow2_map::Structure;

use crate::error::Error;

/// Refuses to change an image that has more than leaks and wrong flags, which the change
/// makes right.
pub(crate) fn check<S: ReadAt>(storage: &S) -> Result<(), Error> {
    let mut options = AuditOptions::default();
    options.faults_max = 1;
    refuse(storage, &options, |fault| match fault.kind {
        FaultKind::Dirty | FaultKind::Copied { .. } => true,
        FaultKind::Leak { .. } => fault.repair == Repair::Leaks,
        _ => false,
    })
}

/// Refuses to repair an image with damage that needs a decision, or cannot be repaired:
/// with that, nobody can tell what is in use.
pub(crate) fn check_repairable<S: ReadAt>(storage: &S) -> Result<(), Error> {
    let mut options = AuditOptions::default();
    options.faults_max = usize::MAX;
    // What an entry names may be no compressed data at all.
    options.data = true;
    refuse(storage, &options, |fault| {
        let is_of_refcounts = matches!(
            fault.structure,
            Structure::RefcountTable | Structure::RefcountBlock
        );
        match fault.kind {
            FaultKind::Dirty
            | FaultKind::MarkedCorrupt
            | FaultKind::NoRefcountTable
            | FaultKind::Refcount { .. }
            | FaultKind::Conflict { .. }
            | FaultKind::Copied { .. }
            | FaultKind::CopiedCompressed
            | FaultKind::Reserved { .. } => true,
            FaultKind::Leak { .. } => fault.repair == Repair::Leaks,
            // They are made anew.
            _ => is_of_refcounts,
        }
    })
}

fn refuse<S: ReadAt>(
    storage: &S,
    options: &AuditOptions,
    is_tolerated: impl Fn(&Fault) -> bool,
) -> Result<(), Error> {
    let audit = qcow2_check::audit(storage, options)?;
    match audit.faults.into_iter().find(|fault| !is_tolerated(fault)) {
        Some(fault) => Err(Error::Fault(Box::new(fault))),
        None => Ok(()),
    }
}
