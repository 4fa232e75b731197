//! How often a host cluster is used, according to the refcounts that have arrived.

use blockio::{ReadAt, Store};
use qcow2_check::RefcountTable;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::{Header, HostOffset};
use qcow2_map::in_memory;

use crate::source::pipe::Forward;

/// The refcounts that are known. They say what need not be kept: a cluster that is
/// not used once more than its refcount says, or the image is refused.
#[derive(Debug)]
pub(super) struct Hints<'h> {
    header: &'h Header,
    table: State,
    /// A refcount block, with its index.
    block: Option<(u64, Vec<u8>)>,
}

#[derive(Debug)]
enum State {
    /// It has not arrived.
    Ahead,
    Known(RefcountTable),
    /// It is wrong, or the image does not trust it itself.
    Useless,
}

impl<'h> Hints<'h> {
    /// Those of the image with this header.
    pub(super) fn new(header: &'h Header) -> Self {
        let dirty = header.incompatible.contains(IncompatibleFeatures::DIRTY);
        Self {
            header,
            table: if dirty { State::Useless } else { State::Ahead },
            block: None,
        }
    }

    /// Whether the host cluster with this number has no more than `known` uses.
    pub(super) fn are_all<R: std::io::Read, K: Store>(
        &mut self,
        input: &Forward<R, K>,
        cluster: u64,
        known: u64,
    ) -> bool {
        self.refcount(input, cluster)
            .is_some_and(|refcount| refcount <= known)
    }

    fn refcount<R: std::io::Read, K: Store>(
        &mut self,
        input: &Forward<R, K>,
        cluster: u64,
    ) -> Option<u64> {
        let arrived = input.arrived();
        let bits = self.header.cluster_bits;
        if matches!(self.table, State::Ahead) {
            let clusters = u64::from(self.header.refcount_table_clusters);
            let bytes = clusters.checked_mul(bits.bytes())?;
            let end = self.header.refcount_table_offset.0.checked_add(bytes)?;
            if end > arrived.size() {
                return None;
            }
            let table = RefcountTable::read(&arrived, self.header);
            self.table = table.map_or(State::Useless, State::Known);
        }
        let State::Known(table) = &self.table else {
            return None;
        };
        let order = self.header.refcount_order;
        let entries = order.entries_per_block(bits);
        let index = cluster / entries;
        if self.block.as_ref().map(|(index, _)| *index) != Some(index) {
            let HostOffset(place) = table.block(index)?;
            let mut bytes = vec![0; in_memory(bits.bytes())];
            // One that is still to come is not in the file.
            arrived.read_at(place, &mut bytes).ok()?;
            self.block = Some((index, bytes));
        }
        let (_, bytes) = self.block.as_ref()?;
        order.get(bytes, cluster % entries)
    }
}
