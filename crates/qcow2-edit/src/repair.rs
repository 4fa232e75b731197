//! Repairs: of the refcounts alone, and of all that needs no decision.

mod crossed;

use blockio::Store;
use qcow2_format::header::CryptMethod;

use crate::damage::Damage;
use crate::error::Error;
use crate::judge::Judge;
use crate::refcounts::Stored;
use crate::references::{count, count_refcounts};
use crate::report::{Changed, Repaired};
use crate::state::State;
use crate::transaction::{Repair, Transaction};
use crate::view::View;

/// Gives back the clusters that have a refcount and no use, and makes all refcounts and
/// flags exact. The image must agree with itself otherwise.
pub(crate) fn drop_leaks<S: Store>(storage: &S) -> Result<Changed, Error> {
    let change = Transaction::begin(storage)?;
    let new = change.new_state();
    change.commit(new)
}

/// Repairs what needs no decision.
pub(crate) fn all<S: Store>(storage: &S) -> Result<Repaired, Error> {
    let old = State::read(storage)?;
    let view = View {
        storage,
        cluster_bits: old.header.cluster_bits,
    };
    let mut judge = Judge::tolerant();
    let mut counts = count(view, &old, &mut judge)?;
    let mut of_refcounts = Judge::tolerant();
    count_refcounts(view, &old, &mut of_refcounts, &mut counts)?;
    let has_table = old.header.refcount_table_clusters > 0;
    let mut stored = match has_table {
        true => Stored::read(view, &old, &mut Judge::tolerant())?,
        false => Stored::nothing(view, old.header.refcount_order),
    };
    if judge.hides && (!of_refcounts.left.is_empty() || !has_table) {
        // What is in use cannot be known in any way.
        return Err(first(judge, of_refcounts));
    }
    let crossed = crossed::find(&counts, &mut stored)?;
    let is_plain = old.header.crypt_method == CryptMethod::None;
    let mut change = Transaction::with_counts(view, old, counts)?;
    // It is looked at once more when all is written.
    let hides = judge.hides;
    let mut judge = Judge::tolerant();
    judge.hides = hides;
    change.tolerate(Repair { stored, judge });
    let mut new = change.new_state();
    let doubtful = match is_plain {
        true => crossed::separate(&mut change, &mut new, &crossed)?,
        false => Vec::new(),
    };
    let (changed, left) = change.commit_repair(new)?;
    Ok(Repaired {
        changed,
        doubtful,
        left,
    })
}

/// The first damage that was met.
fn first(judge: Judge, other: Judge) -> Error {
    let mut left = judge.left.into_iter().chain(other.left);
    left.next().map_or(
        Error::Unsupported {
            operation: "the repair",
            because: "neither the refcounts nor all of the tables can be read",
        },
        |damage: Damage| damage.into(),
    )
}
