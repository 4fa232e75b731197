//! Repairs: of the refcounts alone, and of all that needs no decision.

mod crossed;

use blockio::Store;
use qcow2_format::feature::IncompatibleFeatures;

use crate::change::gate;
use crate::change::refcounts::Stored;
use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::judge::Judge;
use crate::image::references::{count, count_refcounts};
use crate::image::state::State;
use crate::image::view::View;
use crate::report::{Changed, Repaired};

/// Gives back the clusters that have a refcount and no use, and makes all refcounts and
/// flags exact. The image must agree with itself otherwise.
pub(crate) fn drop_leaks<S: Store>(storage: &S) -> Result<Changed, Error> {
    let change = Transaction::begin(storage)?;
    let new = change.new_state();
    change.commit(new)
}

/// Repairs an image in which nothing needs a decision.
pub(crate) fn all<S: Store>(storage: &S) -> Result<Repaired, Error> {
    let old = State::read(storage)?;
    gate::check_repairable(storage)?;
    let view = View {
        storage,
        cluster_bits: old.header.cluster_bits,
    };
    let mut counts = count(view, &old, Judge::Repair)?;
    count_refcounts(view, &old, Judge::Repair, &mut counts)?;
    let mut stored = Stored::read(view, &old, Judge::Repair)?;
    let crossed = crossed::find(&counts, &mut stored)?;
    let mut change = Transaction::with_counts(view, old, counts)?.into_repair();
    let mut new = change.new_state();
    // All that was wrong is right now, or this ends with an error.
    new.header.incompatible -= IncompatibleFeatures::CORRUPT;
    let doubtful = crossed::separate(&mut change, &mut new, &crossed)?;
    Ok(Repaired {
        changed: change.commit(new)?,
        doubtful,
    })
}
