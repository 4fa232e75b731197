//! Repairs of the refcounts.

use blockio::Store;

use crate::error::Error;
use crate::report::Changed;
use crate::transaction::Transaction;

/// Gives back the clusters that have a refcount and no use, and makes all refcounts and
/// flags exact. The image must agree with itself otherwise.
pub(crate) fn drop_leaks<S: Store>(storage: &S) -> Result<Changed, Error> {
    let change = Transaction::begin(storage)?;
    let new = change.new_state();
    change.commit(new)
}
